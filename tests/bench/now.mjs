// SPDX-License-Identifier: MIT
// The clock and the lines that all sides share: microseconds of the system's monotonic clock.
import { writeSync } from "node:fs";

const STEP = 200;

export const now = () => Number(process.hrtime.bigint() / 1000n);
export const say = (...words) => writeSync(1, words.join(" ") + "\n");
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Prints "us pid count" each time that another STEP jobs are done.
export function counter() {
	let count = 0;
	let said = 0;
	return (n = 1) => {
		count += n;
		if (count - said >= STEP) {
			said = count;
			say(now(), process.pid, count);
		}
	};
}

// Inserts one job after the other; prints "asked committed" for each.
export async function insertSlowly(n, gapMs, insert) {
	for (let i = 0; i < n; i++) {
		const asked = now();
		await insert(i);
		say(asked, now());
		await sleep(gapMs);
	}
}
