-- hold: waits until exactly one server of backend `be` is usable, at most `secs` seconds.
core.register_action("hold", { "tcp-req" }, function(txn, be, secs)
  for _ = 1, tonumber(secs) * 50 do
    if txn.f:nbsrv(be) == 1 then return end
    core.msleep(20)
  end
end, 2)
-- settle: the same, and it has to have been so for `calm` seconds, so that the check has found a server that just died.
core.register_action("settle", { "tcp-req" }, function(txn, be, secs, calm)
  local ok = 0
  for _ = 1, tonumber(secs) * 50 do
    if txn.f:nbsrv(be) == 1 then ok = ok + 1 else ok = 0 end
    if ok > tonumber(calm) * 50 then return end
    core.msleep(20)
  end
end, 3)
