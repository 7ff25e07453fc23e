-- wrk: one small durable write after the other, the users of BENCH_TOKENS in turn; with BENCH_READS
-- one small read after the other by the same users, for comparison.
-- BENCH_DELAY_MS paces each connection (0 = as fast as answers come).
local tokens = {}
for line in io.lines(os.getenv("BENCH_TOKENS")) do
  tokens[#tokens + 1] = line
end
local pause = tonumber(os.getenv("BENCH_DELAY_MS") or "0")
local reads = os.getenv("BENCH_READS") == "1"
local number = 0

function request()
  number = number + 1
  local headers = {
    ["Authorization"] = "Bearer " .. tokens[number % #tokens + 1],
    ["Content-Type"] = "application/json",
  }
  if reads then
    return wrk.format("GET", "/api/v1/auth/me", headers)
  end
  local body = string.format('{"full_name":"Somebody Else %d"}', number)
  return wrk.format("PATCH", "/api/v1/users/me", headers, body)
end

if pause > 0 then
  function delay()
    return pause
  end
end
