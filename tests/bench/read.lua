-- wrk: GET /api/v1/auth/me, the sessions of BENCH_TOKENS in turn.
local tokens = {}
for line in io.lines(os.getenv("BENCH_TOKENS")) do
  tokens[#tokens + 1] = line
end
local number = 0

function request()
  number = number + 1
  return wrk.format("GET", "/api/v1/auth/me",
                    {["Authorization"] = "Bearer " .. tokens[number % #tokens + 1]})
end
