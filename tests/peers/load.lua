-- Asks for one path of many hosts in turn, and says what came of it in one line.
-- wrk -s load.lua URL -- PATH FIRST LAST SUFFIX: hosts are FIRST to LAST, each as "pr-N.SUFFIX".
local requests, turn = {}, 0

function init(arguments)
    local path, first, last, suffix = arguments[1], tonumber(arguments[2]), tonumber(arguments[3]), arguments[4]
    for number = first, last do
        local host = string.format("pr-%d.%s", number, suffix)
        requests[#requests + 1] = wrk.format("GET", path, { Host = host })
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end

function done(summary)
    local wrong = summary.errors
    io.write(string.format("result %d %d %d %d\n", summary.requests, summary.duration, summary.bytes,
        wrong.connect + wrong.read + wrong.write + wrong.status + wrong.timeout))
end
