#!/usr/bin/env -S python3 -S
"""A kubectl that keeps Jobs in a directory and runs their pods as processes of this machine, as the Job controller would:
one for each index, none again after a failure, and again after a disruption. For tests of what mlx asks and understands.
What is not about Jobs is done by `kubectl_objects.py`, which lies beside it."""

import fcntl
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

STATE = pathlib.Path(os.environ["FAKE_KUBECTL"])
WRAPPER = """
timeout --kill-after=5 "$LIMIT" sh -c "$SCRIPT"; code=$?
echo $code > "$POD/exit.tmp"; mv "$POD/exit.tmp" "$POD/exit"
"""


def fail(message):
    sys.stderr.write(message + "\n")
    sys.exit(1)


def pods(name):
    return sorted(STATE.glob(f"{name}/pods/*"), key=lambda pod: int(pod.name.split("-")[0]))


def start(name, index, attempt):
    job = json.loads((STATE / name / "job.json").read_text())
    spec = job["spec"]["template"]["spec"]
    container = spec["containers"][0]
    assert container["command"][:2] == ["/bin/sh", "-c"], container
    pod = STATE / name / "pods" / f"{index}-{attempt}"
    pod.mkdir(parents=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/tmp",
        "JOB_COMPLETION_INDEX": str(index),
        "SCRIPT": container["command"][2],
        "POD": str(pod),
        "LIMIT": str(spec.get("activeDeadlineSeconds", 100000)),
    }
    process = subprocess.Popen(
        ["sh", "-c", WRAPPER], env=environment, start_new_session=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (pod / "pid").write_text(str(process.pid))


def end(pod, how):
    """Signals everything in the pod's session."""
    session = (pod / "pid").read_text()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if fields[3] == session and fields[0] != "Z":
            try:
                os.kill(int(process.name), how)
            except ProcessLookupError:
                pass


def is_alive(pod):
    return not (pod / "exit").exists() and pathlib.Path("/proc", (pod / "pid").read_text(), "exe").exists()


def ranges(indexes):
    return ",".join(str(index) for index in sorted(indexes))


def listed(names, kinds):
    items = []
    for name in names:
        job = json.loads((STATE / name / "job.json").read_text())
        deleted = (STATE / name / "deleted").exists()
        if deleted and not any(is_alive(pod) for pod in pods(name)):
            (STATE / name).rename(STATE / f"gone-{name}")
            continue
        completed, failed = set(), set()
        for pod in pods(name):
            index = int(pod.name.split("-")[0])
            labels = job["spec"]["template"]["metadata"]["labels"]
            status = {"phase": "Running", "conditions": [{"type": "PodScheduled", "status": "True"}]}
            if (pod / "disrupted").exists():
                status = {"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True"}]}
            elif (pod / "exit").exists():
                code = int((pod / "exit").read_text())
                (completed if code == 0 else failed).add(index)
                ended = {"terminated": {"reason": "Completed" if code == 0 else "Error", "exitCode": code}}
                status = {"phase": "Succeeded" if code == 0 else "Failed", "containerStatuses": [{"state": ended}]}
                if code in (124, 137):
                    status["reason"] = "DeadlineExceeded"
            elif not is_alive(pod):
                failed.add(index)
                ended = {"terminated": {"reason": "Error", "exitCode": 143}}
                status = {"phase": "Failed", "containerStatuses": [{"state": ended}]}
            if "pods" in kinds:
                items.append({
                    "kind": "Pod",
                    "metadata": {
                        "name": f"{name}-{pod.name}",
                        "labels": labels,
                        "annotations": {"batch.kubernetes.io/job-completion-index": str(index)},
                    },
                    "status": status,
                })
        if "jobs" in kinds:
            job["status"] = {"completedIndexes": ranges(completed), "failedIndexes": ranges(failed)}
            if deleted:
                job["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            items.append(job)
    return {"kind": "List", "apiVersion": "v1", "items": items}


def refuse():
    """Says no, where a test wants that for such a call."""
    path = STATE / "refusals.json"
    for refusal in json.loads(path.read_text()) if path.exists() else []:
        if re.search(refusal["call"], " ".join(sys.argv[1:])):
            fail(refusal["says"])


def main():
    arguments = [word for word in sys.argv[1:] if not word.startswith(("--namespace=", "--context="))]
    options = [word for word in arguments if word.startswith("--")]
    words = [word for word in arguments if not word.startswith("--")]
    with open(STATE / "log", "a") as log:
        log.write(" ".join(sys.argv[1:]) + "\n")
    refuse()
    known = [path.parent.name for path in sorted(STATE.glob("mlx-*/job.json"))]
    if (STATE / "mlx").exists():
        # A cluster that serves.
        import kubectl_objects

        named = dict((word.split("=", 1) + [""])[:2] for word in options)
        if "--selector" in named and not named["--selector"]:
            named["--selector"] = words.pop()
        if words[0] == "port-forward":
            return kubectl_objects.port_of(words[1])
        if not kubectl_objects.run(words, named):
            fail(f'error: unknown command "{words[0]}" for "kubectl"')
        return None
    if words[0] == "create":
        job = json.load(sys.stdin)
        name = job["metadata"]["name"]
        if name in known:
            fail(f'Error from server (AlreadyExists): error when creating "STDIN": jobs.batch "{name}" already exists')
        (STATE / name).mkdir()
        (STATE / name / "job.json").write_text(json.dumps(job))
        for index in range(job["spec"]["completions"]):
            start(name, index, 0)
        print(f"job.batch/{name}")
    elif words[0] == "get":
        selector = words[-1]
        wanted = re.fullmatch(r"mlx/job in \((.*)\)", selector)
        assert wanted or selector == "app.kubernetes.io/managed-by=mlx", selector
        names = [name for name in known if not wanted or name in wanted[1].split(",")]
        print(json.dumps(listed(names, words[1])))
    elif words[0] == "delete" and words[1] == "jobs.batch":
        assert "--cascade=foreground" in options
        for name in set(words[2:]) & set(known):
            (STATE / name / "deleted").write_text("")
            for pod in filter(is_alive, pods(name)):
                end(pod, signal.SIGTERM)
    elif words[0] == "delete" and words[1] == "pods":
        for name in known:
            for pod in filter(is_alive, pods(name)):
                if f"{name}-{pod.name}" in words:
                    end(pod, signal.SIGTERM)
    elif words[0] == "disrupt":
        # Not of kubectl: the node of every running pod is lost, and the pods come again elsewhere.
        for name in known:
            for pod in filter(is_alive, pods(name)):
                end(pod, signal.SIGKILL)
                (pod / "disrupted").write_text("")
                index, attempt = map(int, pod.name.split("-"))
                start(name, index, attempt + 1)
    else:
        fail(f"error: unknown command {words}")


with open(STATE / "lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    port = main()
if port:
    import kubectl_objects

    kubectl_objects.forward(port)
