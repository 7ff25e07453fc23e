-- wrk: logins of user BENCH_FIRST, the second next, and so on; with BENCH_CODE as one-time code when set.
local number = tonumber(os.getenv("BENCH_FIRST"))
local password = os.getenv("BENCH_PASSWORD")
local code = os.getenv("BENCH_CODE")
local more = code and string.format(',"totp_code":"%s"', code) or ""
local headers = {["Content-Type"] = "application/json"}

function request()
  local body = string.format('{"email":"user-%d@bench.example","password":"%s"%s}', number,
                             password, more)
  number = number + 2
  return wrk.format("POST", "/api/v1/auth/login", headers, body)
end
