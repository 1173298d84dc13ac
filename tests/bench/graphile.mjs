// SPDX-License-Identifier: MIT
// Graphile Worker's side: node graphile.mjs URL setup | fill N | fast | single | listen | insert N GAP_MS
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { counter, insertSlowly, now, say } from "./now.mjs";

const FILL = 10000;
const [connectionString, command, ...rest] = process.argv.slice(2);
const [count, gapMs] = rest.map(Number);
const logger = new Logger(() => (level, message) => level === "error" && console.error(message));

// Their documentation's page on performance gives these for the highest throughput.
const FAST = {
	concurrentJobs: 24,
	maxPoolSize: 25,
	localQueue: { size: 500 },
	completeJobBatchDelay: 0,
	failJobBatchDelay: 0,
};

async function work(options, task) {
	const runner = await run({ preset: { worker: { connectionString, logger, ...options } }, taskList: { noop: task } });
	await runner.promise;
}

async function withUtils(body) {
	const utils = await makeWorkerUtils({ connectionString, logger });
	await body(utils);
	await utils.release();
}

async function fill(utils) {
	for (let left = count; left > 0; left -= FILL) {
		const jobs = Array.from({ length: Math.min(left, FILL) }, () => ({ identifier: "noop", payload: { request: "x" } }));
		await utils.addJobs(jobs);
	}
}

const done = counter();
const commands = {
	setup: () => withUtils((utils) => utils.migrate()),
	fill: () => withUtils(fill),
	fast: () => work(FAST, () => done()),
	single: () => work({}, () => done()),
	listen: () => work({}, (payload) => say(payload.i, now())),
	insert: () => withUtils((utils) => insertSlowly(count, gapMs, (i) => utils.addJob("noop", { i }))),
};
await commands[command]();
