import { redisScript } from "../../link/redis-script.ts";

/**
 * What every script of a room begins with. KEYS: room, events, ids, amends, snapshots. ARGV: the time in ms (empty: that
 * of Redis), an epoch for a log made now, and where the caller knows the log to stand: its epoch, and in one text its head, an
 * event of it, and when that was appended (0 0: none).
 *
 * `open` finds the room or makes it. When Redis stands before what the caller has seen it has lost the rest (it restarted
 * without its newest writes, or a replica that was behind became the master); when another event stands where the caller has
 * seen one, it has, and somebody who did not know has gone on from there. Then the epoch ends here, so that everybody who has
 * seen more is told. When there is no room, nothing that is left of one belongs to it.
 */
const OPEN = String.raw`
local room_key, events_key, ids_key, amends_key, snapshots_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function save(room)
  redis.call('HSET', room_key, 'epoch', room.epoch, 'first', room.first, 'head', room.head, 'at', room.at,
    'bytes', room.bytes, 'hollow', room.hollow)
end

-- Whether the log is not the one the caller has seen.
local function is_other(room)
  local head, seq, at = string.match(ARGV[4], '^(%d+) (%d+) (%d+)$')
  head, seq, at = tonumber(head), tonumber(seq), tonumber(at)
  if room.head < head then return true end
  if seq == 0 or seq < room.first then return false end
  if seq == room.head then return math.floor(room.at) ~= at end
  local record = redis.call('HGET', events_key, seq)
  return record and math.floor(tonumber(string.match(record, '^[^%z]+'))) ~= at
end

local function open()
  local found = redis.call('HMGET', room_key, 'epoch', 'first', 'head', 'at', 'bytes', 'hollow', 'fence')
  if not found[1] then
    redis.call('DEL', events_key, ids_key, amends_key, snapshots_key)
    local room = { epoch = ARGV[2], first = 1, head = 0, at = 0, bytes = 0, hollow = 1, fence = 0 }
    save(room)
    return room
  end
  local room = {
    epoch = found[1], first = tonumber(found[2]), head = tonumber(found[3]), at = tonumber(found[4]),
    bytes = tonumber(found[5]), hollow = tonumber(found[6]), fence = tonumber(found[7] or 0)
  }
  if room.epoch == ARGV[3] and is_other(room) then
    room.epoch = ARGV[2]
    redis.call('HSET', room_key, 'epoch', room.epoch)
  end
  return room
end

-- The parts of a record: when, amends, type, sender, messageId, payload.
local function parts_of(record)
  local parts, from = {}, 1
  for index = 1, 5 do
    local to = string.find(record, '\0', from, true)
    parts[index] = string.sub(record, from, to - 1)
    from = to + 1
  end
  parts[6] = string.sub(record, from)
  return parts
end

-- An event is not there that should be: Redis was told to throw away keys. The epoch ends, and what is left with it.
local function lost(room)
  redis.call('DEL', events_key, amends_key)
  room.epoch, room.first, room.bytes, room.hollow = ARGV[2], room.head + 1, 0, room.head + 1
  save(room)
  return { room.epoch, room.first, room.head, room.first }
end

local function amends_member(type, amended, seq)
  return type .. '\0' .. string.format('%016d', amended) .. string.format('%016d', seq)
end
`;

/** Where the log stands: epoch, first, head, and when the newest event was appended. */
export const OPEN_ROOM = redisScript(`${OPEN}
local room = open()
return { room.epoch, room.first, room.head, room.at }
`);

/**
 * Appends in order. Further ARGV, for each: sender, messageId, type, payload, expect, fence, how many amendments, and for
 * each of these seq, expected payload, payload. Answers the epoch, and for each: what became of it (0 appended, 1 a repetition, 2 head, 3 amendment, 4 fence), seq, when.
 */
export const APPEND = redisScript(String.raw`${OPEN}
local room = open()
local answers = { room.epoch }
local at = 5

local function amend_all(count)
  local changes, seen = {}, {}
  for index = 0, count - 1 do
    local seq = tonumber(ARGV[at + index * 3])
    if seen[seq] or seq < room.first or seq > room.head then return false end
    local record = redis.call('HGET', events_key, seq)
    if not record then return false end
    local parts = parts_of(record)
    if parts[6] ~= ARGV[at + index * 3 + 1] then return false end
    seen[seq] = true
    local data = ARGV[at + index * 3 + 2]
    changes[#changes + 1] = { seq, string.sub(record, 1, #record - #parts[6]) .. data, #data - #parts[6] }
  end
  for _, change in ipairs(changes) do
    redis.call('HSET', events_key, change[1], change[2])
    room.bytes = room.bytes + change[3]
  end
  return true
end

while at <= #ARGV do
  local sender, id, type, data = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local expect, fence, count = ARGV[at + 4], ARGV[at + 5], tonumber(ARGV[at + 6])
  at = at + 7
  local code, seq, when = 0, 0, 0
  local key = sender .. '\0' .. id
  local before = id ~= '' and redis.call('HGET', ids_key, key)
  if before then
    local space = string.find(before, ' ', 1, true)
    code, seq, when = 1, tonumber(string.sub(before, 1, space - 1)), tonumber(string.sub(before, space + 1))
  elseif expect ~= '' and tonumber(expect) ~= room.head then
    code = 2
  elseif fence ~= '' and tonumber(fence) ~= room.fence then
    code = 4
  elseif count > 0 and not amend_all(count) then
    code = 3
  else
    seq, when = room.head + 1, math.max(now, room.at)
    local amended = count > 0 and ARGV[at] or ''
    redis.call('HSET', events_key, seq, when .. '\0' .. amended .. '\0' .. type .. '\0' .. key .. '\0' .. data)
    if id ~= '' then redis.call('HSET', ids_key, key, seq .. ' ' .. when) end
    if count > 0 then redis.call('ZADD', amends_key, 0, amends_member(type, tonumber(amended), seq)) end
    room.head, room.at, room.bytes = seq, when, room.bytes + #data
  end
  at = at + count * 3
  answers[#answers + 1] = code
  answers[#answers + 1] = seq
  answers[#answers + 1] = when
end
redis.call('HSET', room_key, 'head', room.head, 'at', room.at, 'bytes', room.bytes)
return answers
`);

/**
 * Reads forward. Further ARGV: after, limit, most bytes of payload. Answers epoch, first, head, the seq of the first
 * record, and the records. An event that should be there and is not ends the epoch: Redis was told to throw away keys.
 */
export const READ = redisScript(`${OPEN}
local room = open()
local from = math.max(tonumber(ARGV[5]) + 1, room.first)
local limit, most = tonumber(ARGV[6]), tonumber(ARGV[7])
local answers = { room.epoch, room.first, room.head, from }
local bytes, count, step = 0, 0, 16
while from <= room.head and count < limit do
  local seqs = {}
  for seq = from, math.min(from + step - 1, room.head, from + limit - count - 1) do seqs[#seqs + 1] = seq end
  for _, record in ipairs(redis.call('HMGET', events_key, unpack(seqs))) do
    if not record then return lost(room) end
    bytes = bytes + #parts_of(record)[6]
    if count > 0 and bytes > most then return answers end
    count = count + 1
    answers[#answers + 1] = record
  end
  from, step = from + #seqs, 256
end
return answers
`);

/** Reads backward. Further ARGV: before, limit, most bytes. Answers as `READ`, the records in falling order. */
export const READ_BACK = redisScript(`${OPEN}
local room = open()
local to = math.min(tonumber(ARGV[5]) - 1, room.head)
local limit, most = tonumber(ARGV[6]), tonumber(ARGV[7])
local answers = { room.epoch, room.first, room.head, to }
local bytes, count, step = 0, 0, 16
while to >= room.first and count < limit do
  local seqs = {}
  for seq = to, math.max(to - step + 1, room.first, to - (limit - count) + 1), -1 do seqs[#seqs + 1] = seq end
  for _, record in ipairs(redis.call('HMGET', events_key, unpack(seqs))) do
    if not record then return lost(room) end
    bytes = bytes + #parts_of(record)[6]
    if count > 0 and bytes > most then return answers end
    count = count + 1
    answers[#answers + 1] = record
  end
  to, step = to - #seqs, 256
end
return answers
`);

/** What was appended with a messageId. Further ARGV: the key of the messageId. Answers epoch, and "seq when"; both empty when there is none. */
export const FIND = redisScript(`
local epoch = redis.call('HGET', KEYS[1], 'epoch')
local before = redis.call('HGET', KEYS[3], ARGV[5])
if not epoch or not before then return { '', '' } end
return { epoch, before }
`);

/** The amendments of an event. Further ARGV: seq, type, limit. Answers seq and record of each, newest first. */
export const AMENDMENTS = redisScript(String.raw`
local prefix = ARGV[6] .. '\0' .. string.format('%016d', tonumber(ARGV[5]))
local found = redis.call('ZREVRANGEBYLEX', KEYS[4], '(' .. prefix .. ':', '[' .. prefix, 'LIMIT', 0, ARGV[7])
local answers = {}
for _, member in ipairs(found) do
  local seq = tonumber(string.sub(member, -16))
  local record = redis.call('HGET', KEYS[2], seq)
  if record then
    answers[#answers + 1] = seq
    answers[#answers + 1] = record
  end
end
return answers
`);

/**
 * Removes the oldest events, and messageIds that need not be known any more, up to a measure. Further ARGV: most events, age
 * and bytes (empty: any), the last seq that may go (empty: any), most events and bytes for this call, how long messageIds are
 * known. Answers how many events were removed, and 1 when there is more to do.
 *
 * A removed event whose messageId must still be known stays as a hollow record below \`first\`; \`hollow\` is where those begin.
 */
export const TRIM = redisScript(String.raw`${OPEN}
local room = open()
local most_events, most_age, most_bytes = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local last = math.min(tonumber(ARGV[8]) or room.head, room.head)
local call_events, call_bytes, since = tonumber(ARGV[9]), tonumber(ARGV[10]), now - tonumber(ARGV[11])

local function time_of(record)
  return tonumber(string.sub(record, 1, string.find(record, '\0', 1, true) - 1))
end

local function forget_old()
  local end_of_hollow = math.min(room.first - 1, room.hollow + call_events - 1)
  local step = 4
  while room.hollow <= end_of_hollow do
    local seqs = {}
    for seq = room.hollow, math.min(room.hollow + step - 1, end_of_hollow) do seqs[#seqs + 1] = seq end
    for index, record in ipairs(redis.call('HMGET', events_key, unpack(seqs))) do
      if record then
        if time_of(record) >= since then return end
        local parts = parts_of(record)
        redis.call('HDEL', events_key, seqs[index])
        redis.call('HDEL', ids_key, parts[4] .. '\0' .. parts[5])
      end
      room.hollow = seqs[index] + 1
    end
    step = 256
  end
end

-- Timestamps never fall, so halving finds the first event that is not too old.
local function first_since(oldest)
  local low, high = room.first, room.head + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    local record = redis.call('HGET', events_key, middle)
    if not record or time_of(record) < oldest then low = middle + 1 else high = middle end
  end
  return low
end

forget_old()
local wanted = room.first
if most_events then wanted = math.max(wanted, room.head - most_events + 1) end
if most_age then wanted = math.max(wanted, first_since(now - most_age)) end

local removed, weight, more = 0, 0, 0
while room.first <= last do
  local is_over = most_bytes and room.bytes > most_bytes and room.first < room.head
  if room.first >= wanted and not is_over then break end
  if removed >= call_events or weight >= call_bytes then
    more = 1
    break
  end
  local seq = room.first
  local record = redis.call('HGET', events_key, seq)
  if record then
    local parts = parts_of(record)
    room.bytes = room.bytes - #parts[6]
    weight = weight + #record
    if parts[2] ~= '' then redis.call('ZREM', amends_key, amends_member(parts[3], tonumber(parts[2]), seq)) end
    local key = parts[4] .. '\0' .. parts[5]
    if parts[5] ~= '' and tonumber(parts[1]) >= since then
      redis.call('HSET', events_key, seq, parts[1] .. '\0\0\0' .. key .. '\0')
    else
      redis.call('HDEL', events_key, seq)
      if parts[5] ~= '' then redis.call('HDEL', ids_key, key) end
    end
  end
  room.first = seq + 1
  removed = removed + 1
end
save(room)
return { removed, more }
`);

/** Keeps a snapshot, and of all the newest. Further ARGV: seq, data, how many, fence (empty: any). Answers 0 when the fence is over. */
export const PUT_SNAPSHOT = redisScript(`${OPEN}
local room = open()
if ARGV[8] ~= '' and tonumber(ARGV[8]) ~= room.fence then return 0 end
redis.call('HSET', snapshots_key, ARGV[5], ARGV[6])
local seqs = redis.call('HKEYS', snapshots_key)
table.sort(seqs, function(a, b) return tonumber(a) > tonumber(b) end)
for index = tonumber(ARGV[7]) + 1, #seqs do redis.call('HDEL', snapshots_key, seqs[index]) end
return 1
`);

/** The newest snapshot. Further ARGV: the highest seq. Answers epoch, seq, data; nothing when there is none. */
export const SNAPSHOT = redisScript(`
local epoch = redis.call('HGET', KEYS[1], 'epoch')
local best = -1
for _, text in ipairs(redis.call('HKEYS', KEYS[5])) do
  local seq = tonumber(text)
  if seq <= tonumber(ARGV[5]) and seq > best then best = seq end
end
if not epoch or best < 0 then return {} end
return { epoch, best, redis.call('HGET', KEYS[5], best) }
`);

/**
 * Takes or keeps a lease. Further ARGV: owner, how long. Answers holder, fence, how long it is still his. A fence is about
 * the time it was given, so that no fence comes again even when Redis has lost those it gave.
 */
export const LEASE = redisScript(`${OPEN}
local room = open()
local owner, ttl = ARGV[5], tonumber(ARGV[6])
local found = redis.call('HMGET', room_key, 'holder', 'until', 'ttl')
local holder, left, whole = found[1], tonumber(found[2] or 0) - now, tonumber(found[3] or 0)
local is_held = holder and left > 0
if is_held and holder ~= owner then
  if left > whole then
    -- The time of Redis went back: the lease must not last longer than it was taken for.
    left = whole
    redis.call('HSET', room_key, 'until', now + whole)
  end
  return { holder, room.fence, left }
end
if not is_held then room.fence = math.max(room.fence + 1, now) end
redis.call('HSET', room_key, 'holder', owner, 'fence', room.fence, 'until', now + ttl, 'ttl', ttl)
return { owner, room.fence, ttl }
`);

/** Gives a lease back. Further ARGV: owner, fence. */
export const END_LEASE = redisScript(`
local found = redis.call('HMGET', KEYS[1], 'holder', 'fence')
if found[1] == ARGV[5] and tonumber(found[2] or 0) == tonumber(ARGV[6]) then redis.call('HDEL', KEYS[1], 'holder') end
return 1
`);

/** Moves a mark forward. KEYS: the marks of a room. ARGV: user, seq. Answers where it stands, and 1 when it moved. */
export const SET_MARK = redisScript(`
local before = redis.call('ZSCORE', KEYS[1], ARGV[1])
if before and tonumber(before) >= tonumber(ARGV[2]) then return { tonumber(before), 0 } end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return { tonumber(ARGV[2]), 1 }
`);

/**
 * Notes that a user has a mark in a room, and when it moved. KEYS: the rooms of the user. ARGV: the time in ms (empty: that
 * of Redis), room, 1 when the mark moved. Time in microseconds, and counting up within the same one.
 */
export const NOTE_MARK = redisScript(`
local now = tonumber(ARGV[1])
if now then now = now * 1000 else
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local newest = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local moved = string.format('%.0f', math.max(now, tonumber(newest[2] or 0) + 1))
if ARGV[3] == '1' then redis.call('ZADD', KEYS[1], moved, ARGV[2])
else redis.call('ZADD', KEYS[1], 'NX', moved, ARGV[2]) end
return 1
`);
