// SPDX-License-Identifier: MIT
// pg-boss' side: node pgboss.mjs URL setup | fill N | hand BATCH LOOPS | work BATCH LOOPS | single | listen |
//   insert N GAP_MS
import { PgBoss } from "pg-boss";
import { counter, insertSlowly, now, say } from "./now.mjs";

const QUEUE = "noop";
const FILL = 10000;
const [connectionString, command, ...rest] = process.argv.slice(2);
const [first, second] = rest.map(Number);
const boss = new PgBoss({ connectionString, useListenNotify: true, max: 10 });
boss.on("error", (e) => console.error(e.message));
await boss.start();

const done = counter();

async function fetchAndComplete(batchSize) {
	for (;;) {
		const jobs = await boss.fetch(QUEUE, { batchSize });
		if (jobs.length === 0) {
			await new Promise((wake) => setTimeout(wake, 20));
			continue;
		}
		await boss.complete(QUEUE, jobs.map((job) => job.id));
		done(jobs.length);
	}
}

// burstWhenBatchFull: without it there is a wait of half a second at least between two batches.
function workInBatches(batchSize) {
	const poll = { pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5 };
	const options = { batchSize, burstWhenBatchFull: true, ...poll };
	return boss.work(QUEUE, options, async (jobs) => done(jobs.length));
}

async function fill() {
	for (let left = first; left > 0; left -= FILL)
		await boss.insert(QUEUE, Array.from({ length: Math.min(left, FILL) }, () => ({ data: { request: "x" } })));
	await boss.stop();
}

const loops = (body) => Promise.all(Array.from({ length: second }, () => body(first)));
const commands = {
	setup: async () => {
		await boss.createQueue(QUEUE, { notify: true });
		await boss.stop();
	},
	fill,
	hand: () => loops(fetchAndComplete),
	work: () => loops(workInBatches),
	single: () => fetchAndComplete(1),
	listen: () => boss.work(QUEUE, async ([job]) => say(job.data.i, now())),
	insert: async () => {
		await insertSlowly(first, second, (i) => boss.send(QUEUE, { i }));
		await boss.stop();
	},
};
await commands[command]();
