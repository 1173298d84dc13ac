-- One lane's counter, for all workers: two buckets that fill evenly over the minute, and a pause. One atomic step.
-- KEYS[1] the lane
-- ARGV 1 requests, 2 tokens to take (below 0: given back)
--      3 requests, 4 tokens a minute to keep to (0 = the caller does not know)
--      5 requests, 6 tokens left as the provider says (-1 = it did not)
--      7 '1' = take whatever is there: what has happened has happened
--      8 pause in ms (below 0: a pause for the reason is over)
--      9 requests, 10 tokens a minute as the provider says (0 = it did not)
--      11 the reason of the pause
-- Returns { granted, ms to wait, 1 when for the end of a pause, requests, tokens a minute as the provider told anybody }
local MINUTE, KEEP = 60000, 180000
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local kept = redis.call('HMGET', KEYS[1], 'at', 'requests', 'tokens', 'requests_limit', 'tokens_limit', 'paused_until',
	'reason')
local passed = math.max(0, now - (tonumber(kept[1]) or now))

local function limit_of(given, known)
	given = tonumber(given)
	return given > 0 and given or tonumber(known) or 0
end

local function level_of(level, limit, left)
	level = math.min(limit, (tonumber(level) or limit) + passed * limit / MINUTE)
	left = tonumber(left)
	return left >= 0 and math.min(level, left) or level
end

local function wait_of(level, need, limit)
	need = math.min(need, limit)
	return limit > 0 and level < need and math.ceil((need - level) * MINUTE / limit) or 0
end

local learned_requests, learned_tokens = limit_of(ARGV[9], kept[4]), limit_of(ARGV[10], kept[5])
local requests_limit, tokens_limit = limit_of(ARGV[3], learned_requests), limit_of(ARGV[4], learned_tokens)
local requests, tokens = level_of(kept[2], requests_limit, ARGV[5]), level_of(kept[3], tokens_limit, ARGV[6])
local paused_until, reason = tonumber(kept[6]) or 0, kept[7] or ''
local pause, forced = tonumber(ARGV[8]), ARGV[7] == '1'

if pause > 0 and now + pause > paused_until then
	paused_until, reason = now + pause, ARGV[11]
elseif pause < 0 and reason == ARGV[11] then
	paused_until, reason = 0, ''
end

local wait = math.max(wait_of(requests, tonumber(ARGV[1]), requests_limit),
	wait_of(tokens, tonumber(ARGV[2]), tokens_limit))
local paused = math.max(0, paused_until - now)
local granted = forced or (wait == 0 and paused == 0)
if granted then
	local need = tonumber(ARGV[2])
	requests = math.max(-requests_limit, math.min(requests_limit, requests - ARGV[1]))
	tokens = math.max(-tokens_limit, math.min(tokens_limit, tokens - (forced and need or math.min(need, tokens_limit))))
end

local function text(n)
	return string.format('%.6f', n)
end
redis.call('HSET', KEYS[1], 'at', text(now), 'requests', requests_limit > 0 and text(requests) or '',
	'tokens', tokens_limit > 0 and text(tokens) or '', 'requests_limit', text(learned_requests),
	'tokens_limit', text(learned_tokens), 'paused_until', text(paused_until), 'reason', reason)
redis.call('PEXPIRE', KEYS[1], KEEP + paused)
return { granted and 1 or 0, math.max(wait, paused), paused > wait and 1 or 0, learned_requests, learned_tokens }
