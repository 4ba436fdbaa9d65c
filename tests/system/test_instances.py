"""The process orchestrator: instances that die, hang, never start; and what users notice of it."""
import signal

from fleet import Fleet, no_request_executed_twice
from processes import alive, wait_until


def start(make, tmp_path, nodes="ab", **service):
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    holdfast = make.holdfast(fleet.config("1.0.0", nodes=nodes, **service))
    holdfast.fleet = fleet
    return holdfast


def test_killed_instance_is_replaced_and_no_get_fails(make, tmp_path):
    holdfast = start(make, tmp_path)
    victim = holdfast.wait_ready("app", 2)[0]
    load = make.load(holdfast, "--get", "/echo/{id}", "--connections", "16")
    load.wait_requests(500)
    holdfast.kill(victim["pid"])
    wait_until(lambda: len(holdfast.ready_instances("app")) == 2 and victim["pid"] not in
               {i["pid"] for i in holdfast.ready_instances("app")}, 30, "a replacement")
    total = load.stop()
    assert total["failed"] == 0, total["failures"]


def test_hung_instance_is_left_and_no_get_fails(make, tmp_path):
    holdfast = start(make, tmp_path, timeout={"try": "500ms"})
    victim = holdfast.wait_ready("app", 2)[0]
    load = make.load(holdfast, "--get", "/echo/{id}", "--connections", "16")
    load.wait_requests(500)
    holdfast.kill(victim["pid"], signal.SIGSTOP)
    load.mark("hung")
    wait_until(lambda: victim["pid"] not in {i["pid"] for i in holdfast.ready_instances("app")}, 30,
               "the hung instance to be ejected")
    load.wait_requests(1000)
    holdfast.kill(victim["pid"], signal.SIGCONT)
    total = load.stop()
    assert total["failed"] == 0, total["failures"]


def test_restart_of_the_only_instance_holds_requests(make, tmp_path):
    holdfast = start(make, tmp_path, nodes="a", replicas={"min": 1})
    victim = holdfast.wait_ready("app", 1)[0]
    load = make.load(holdfast, "--get", "/echo/{id}", "--connections", "16")
    load.wait_requests(500)
    holdfast.kill(victim["pid"], signal.SIGTERM)
    wait_until(lambda: [i for i in holdfast.ready_instances("app") if i["pid"] != victim["pid"]], 30,
               "the restart")
    total = load.stop()
    assert total["failed"] == 0, total["failures"]
    assert total["worst_ms"] < 5000


def test_crash_loop_fails_and_shows_the_last_words(make, tmp_path):
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0", crash=3)
    holdfast = make.holdfast(fleet.config("1.0.0"), start=False).start(ready=False)
    wait_until(lambda: holdfast.status() and [
        i for i in holdfast.instances("app") if i["state"] == "failed"], 60, "failed instances")
    shown = holdfast.cli("status").stdout + holdfast.cli("services").stdout
    assert "crashing at start, as told" in shown + holdfast.text()


def test_instances_end_with_holdfast(make, tmp_path):
    holdfast = start(make, tmp_path)
    pids = [i["pid"] for i in holdfast.wait_ready("app", 2)]
    holdfast.stop()
    assert not [pid for pid in pids if alive(pid)]
    assert holdfast.process.returncode == 0


def test_stop_finishes_what_is_in_flight(make, tmp_path):
    holdfast = start(make, tmp_path)
    holdfast.wait_ready("app", 2)
    load = make.load(holdfast, "--get", "/slow/{id}?ms=1500", "--connections", "8", "--requests", "8")
    wait_until(lambda: load.peek()["in_flight"] == 8, 10, "8 requests in flight")
    holdfast.process.send_signal(signal.SIGTERM)
    total = load.stop()
    assert (total["requests"], total["failed"]) == (8, 0), total["failures"]
    assert holdfast.process.wait(30) == 0


def test_logs_of_instances_are_kept(make, tmp_path):
    holdfast = start(make, tmp_path)
    holdfast.wait_ready("app", 2)
    wait_until(lambda: [log for log in holdfast.state.rglob("*.log")
                        if "origin 1.0.0 on port" in log.read_text(errors="replace")], 10,
               "what the instances wrote")


def test_secret_environment_of_holdfast_stays_out_of_status(make, tmp_path):
    holdfast = start(make, tmp_path)
    instance = holdfast.wait_ready("app", 2)[0]
    with open(f"/proc/{instance['pid']}/environ", "rb") as environ:
        token = next(line for line in environ.read().split(b"\0") if line.startswith(b"HOLDFAST_TOKEN="))
    secret = token.split(b"=")[1].decode()
    assert len(secret) >= 16
    assert secret not in holdfast.cli("status", "--json").stdout
    assert secret not in holdfast.text()


def test_posts_are_executed_once_while_instances_die(make, tmp_path):
    holdfast = start(make, tmp_path)
    holdfast.wait_ready("app", 2)
    load = make.load(holdfast, "--post", "/post", "--connections", "16")
    for _ in range(5):
        load.wait_requests(load.peek()["requests"] + 500)
        holdfast.kill(holdfast.wait_ready("app", 2)[0]["pid"])
        holdfast.wait_ready("app", 2)
    load.stop()
    assert no_request_executed_twice(holdfast.fleet) > 0
