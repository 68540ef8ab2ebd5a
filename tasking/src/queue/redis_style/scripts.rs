//! The scripts. Each one of the manager's compares the lease first, so that a manager that was deposed
//! without knowing has no effect.

use std::sync::LazyLock;

use deadpool_redis::redis::Script;

/// Takes the lease if it is free, or is ours already. Answers nothing then, else the holder and the
/// milliseconds left. One that would last longer than ours does, or for ever, is cut down: its holder, if
/// there is one, renews it before it ends. What is no lease is removed. Key: lease. Arguments: our value,
/// milliseconds.
pub(super) static ACQUIRE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local kind = redis.call('TYPE', KEYS[1]).ok
         if kind ~= 'string' and kind ~= 'none' then redis.call('DEL', KEYS[1]) end
         local held = redis.call('GET', KEYS[1])
         if held and held ~= ARGV[1] then
             local left, most = redis.call('PTTL', KEYS[1]), tonumber(ARGV[2])
             if left < 0 or left > most then
                 redis.call('PEXPIRE', KEYS[1], most)
                 left = most
             end
             return {held, left}
         end
         redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
         return false",
    )
});

/// Renews the lease if it is ours. Answers who holds it afterwards, if anybody. What is no lease is removed.
/// Key: lease. Arguments: our value, milliseconds.
pub(super) static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local kind = redis.call('TYPE', KEYS[1]).ok
         if kind ~= 'string' and kind ~= 'none' then redis.call('DEL', KEYS[1]) end
         local held = redis.call('GET', KEYS[1])
         if held == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
         return held",
    )
});

/// Removes those of the keys that are no lists, and answers them.
pub(super) static REMOVE_STRANGERS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local removed = {}
         for _, key in ipairs(KEYS) do
             local kind = redis.call('TYPE', key).ok
             if kind ~= 'list' and kind ~= 'none' then
                 redis.call('DEL', key)
                 removed[#removed + 1] = key
             end
         end
         return removed",
    )
});

/// Gives the lease back if it is ours. Key: lease. Argument: our value.
pub(super) static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
         return 0",
    )
});

/// Sends orders, acknowledges the oldest notices, moves new ones to the processing list, and answers all that
/// is there then; nothing at all if the lease is not ours. Keys: lease, queue, processing list, then a queue
/// per order. Arguments: our value, how many to acknowledge, how many to take at most, one more to
/// acknowledge or nothing, then the orders.
pub(super) static EXCHANGE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
         for i = 4, #KEYS do redis.call('RPUSH', KEYS[i], ARGV[i + 1]) end
         if ARGV[2] ~= '0' then redis.call('LTRIM', KEYS[3], ARGV[2], -1) end
         if ARGV[4] ~= '' then redis.call('LREM', KEYS[3], 1, ARGV[4]) end
         local room = tonumber(ARGV[3]) - redis.call('LLEN', KEYS[3])
         for _ = 1, room do
             if not redis.call('LMOVE', KEYS[2], KEYS[3], 'LEFT', 'RIGHT') then break end
         end
         return redis.call('LRANGE', KEYS[3], 0, tonumber(ARGV[3]) - 1)",
    )
});

/// Takes orders back. Answers how many of each were still in the queue; nothing at all if the lease is not
/// ours. Keys: lease, then a queue per order. Arguments: our value, then the orders.
pub(super) static TAKE_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
         local found = {}
         for i = 2, #KEYS do found[i - 1] = redis.call('LREM', KEYS[i], 0, ARGV[i]) end
         return found",
    )
});

/// Deletes lists. Nothing happens if the lease is not ours. Keys: lease, then the lists. Argument: our value.
pub(super) static FORGET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
         for i = 2, #KEYS do redis.call('DEL', KEYS[i]) end
         return 1",
    )
});

/// Keeps a message aside. 1, or 0 if a lease is given and not ours. Keys: processing list, list of rejected
/// ones, lease. Arguments: the message, what is kept of it, how many more are kept, our value of the lease.
pub(super) static REJECT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if KEYS[3] and redis.call('GET', KEYS[3]) ~= ARGV[4] then return 0 end
         if redis.call('LREM', KEYS[1], 1, ARGV[1]) > 0 then
             redis.call('LPUSH', KEYS[2], ARGV[2])
             redis.call('LTRIM', KEYS[2], 0, ARGV[3])
         end
         return 1",
    )
});
