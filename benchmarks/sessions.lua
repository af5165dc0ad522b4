-- What wrk sends for benchmarks/sessions.py. Arguments: path, Authorization or "-", body, a file of
-- refresh tokens or "-", how many threads, the body's content type, and the status of an answer.
-- A thread has one connection and a share of the tokens; each is used in its turn, and its place
-- taken by the one in the answer.
local threads_made = 0

function setup(thread)
  thread:set("number", threads_made)
  threads_made = threads_made + 1
end

local path, body, headers, tokens, turn, expected

function init(arguments)
  path, body = arguments[1], arguments[3]
  headers, expected = { ["Content-Type"] = arguments[6] }, tonumber(arguments[7])
  if arguments[2] ~= "-" then headers["Authorization"] = arguments[2] end
  if arguments[4] == "-" then return end
  local threads = tonumber(arguments[5])
  local line = 0
  tokens, turn = {}, 1
  for token in io.lines(arguments[4]) do
    if line % threads == number then tokens[#tokens + 1] = token end
    line = line + 1
  end
end

function request()
  if tokens then
    return wrk.format("POST", path, headers, body .. tokens[turn])
  end
  return wrk.format("POST", path, headers, body)
end

function response(status, _, answer)
  if status ~= expected then
    io.stderr:write("answered ", status, ": ", answer, "\n")
    wrk.thread:stop()
  elseif tokens then
    tokens[turn] = answer:match('"refresh_token": ?"([^"]+)"')
    turn = turn % #tokens + 1
  elseif answer:find('"active": ?false') then
    io.stderr:write("the token is not active\n")
    wrk.thread:stop()
  end
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  print(string.format('RESULT {"answers": %d, "seconds": %f, "failed": %d, "p50": %f, "p99": %f}',
    summary.requests, summary.duration / 1e6, failed,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
