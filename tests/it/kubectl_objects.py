"""What a cluster does with objects that are not Jobs, for the kubectl of tests: keeps them with versions and owners of fields,
and acts as the controllers of Deployments and of KServe's services, as a kubelet that fetches images from a registry and runs
`mlx serve` of them as processes of this machine, and as the proxy of ports. What it does not know it refuses."""

import hashlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

STATE = pathlib.Path(os.environ["FAKE_KUBECTL"])
OBJECTS = STATE / "objects"
PODS = STATE / "serving"
# By the word of a command: the kind, and how it is called in answers.
KINDS = {
    "services": ("Service", "service"),
    "configmaps": ("ConfigMap", "configmap"),
    "secrets": ("Secret", "secret"),
    "pods": ("Pod", "pod"),
    "deployments.apps": ("Deployment", "deployment.apps"),
    "horizontalpodautoscalers.autoscaling": ("HorizontalPodAutoscaler", "horizontalpodautoscaler.autoscaling"),
    "inferenceservices.serving.kserve.io": ("InferenceService", "inferenceservice.serving.kserve.io"),
}
VERSIONS = {
    "Service": "v1",
    "ConfigMap": "v1",
    "Secret": "v1",
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "InferenceService": "serving.kserve.io/v1beta1",
}
STOP = "serving.kserve.io/stop"


def fail(message):
    sys.stderr.write(message + "\n")
    sys.exit(1)


def word_of(kind):
    return next(word for word, (known, _) in KINDS.items() if known == kind)


def shown(thing):
    return KINDS[word_of(thing["kind"])][1] + "/" + thing["metadata"]["name"]


def faults():
    """What goes wrong, as a test wants it."""
    path = STATE / "faults.json"
    return json.loads(path.read_text()) if path.exists() else {}


# Objects.


def place(kind, name):
    return OBJECTS / kind / f"{name}.json"


def load(kind, name):
    path = place(kind, name)
    return json.loads(path.read_text()) if path.exists() else None


def objects(kind):
    return [json.loads(path.read_text()) for path in sorted((OBJECTS / kind).glob("*.json"))]


def save(thing):
    counter = STATE / "version"
    version = int(counter.read_text()) + 1 if counter.exists() else 1
    counter.write_text(str(version))
    thing["metadata"]["resourceVersion"] = str(version)
    path = place(thing["kind"], thing["metadata"]["name"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".new").write_text(json.dumps(thing))
    path.with_suffix(".new").rename(path)


def given():
    """The objects on the standard input."""
    thing = json.load(sys.stdin)
    things = thing["items"] if thing["kind"] == "List" else [thing]
    for thing in things:
        if VERSIONS.get(thing["kind"]) != thing["apiVersion"] or thing["kind"] in faults().get("unknown", []):
            fail(
                f'error: resource mapping not found for name: "{thing["metadata"]["name"]}" namespace: "" from "STDIN": '
                f'no matches for kind "{thing["kind"]}" in version "{thing["apiVersion"]}"\nensure CRDs are installed first'
            )
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", thing["metadata"]["name"]):
            fail(f'The {thing["kind"]} "{thing["metadata"]["name"]}" is invalid: metadata.name: Invalid value')
        for key, value in labels_of(thing):
            if not re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", value):
                fail(f'The {thing["kind"]} "{thing["metadata"]["name"]}" is invalid: metadata.labels: Invalid value: "{value}"')
    return things


def labels_of(thing):
    yield from thing["metadata"].get("labels", {}).items()
    template = thing.get("spec", {}).get("template", {}).get("metadata", {})
    yield from template.get("labels", {}).items()


def without(value, gone, kept):
    """Takes out what was applied before and is not now."""
    if isinstance(value, dict) and isinstance(gone, dict):
        for key in gone:
            if key not in kept:
                value.pop(key, None)
            elif key in value:
                without(value[key], gone[key], kept[key])


def merged(value, more):
    if isinstance(value, dict) and isinstance(more, dict):
        return {**value, **{key: merged(value.get(key), item) for key, item in more.items()}}
    return more


def apply(is_dry):
    for thing in given():
        kind, name = thing["kind"], thing["metadata"]["name"]
        now = load(kind, name)
        record = STATE / "applied" / kind / f"{name}.json"
        before = json.loads(record.read_text()) if record.exists() and now else {}
        # Whoever scaled it last owns that field.
        replicas = thing.get("spec", {}).get("replicas")
        if now and replicas is not None and now.get("scaled") and now["spec"].get("replicas") != replicas:
            fail('error: Apply failed with 1 conflict: conflict with "kubectl" using apps/v1 with subresource "scale": .spec.replicas')
        if now and kind == "Deployment" and now["spec"]["selector"] != thing["spec"]["selector"]:
            fail(f'The Deployment "{name}" is invalid: spec.selector: Invalid value: field is immutable')
        if kind == "Deployment":
            wanted = thing["spec"]["selector"]["matchLabels"].items()
            assert wanted <= thing["spec"]["template"]["metadata"]["labels"].items(), "selector does not match template"
        if not is_dry:
            now = now or {}
            without(now, before, thing)
            now = merged(now, thing)
            if kind == "Deployment":
                now["spec"].setdefault("replicas", 1)
            save(now)
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(json.dumps(thing))
        print(f"{shown(thing)} serverside-applied")


def create():
    for thing in given():
        name = thing["metadata"]["name"]
        if load(thing["kind"], name):
            word = word_of(thing["kind"])
            fail(f'Error from server (AlreadyExists): error when creating "STDIN": {word} "{name}" already exists')
        save(thing)
        print(shown(thing))


def replace():
    for thing in given():
        kind, name = thing["kind"], thing["metadata"]["name"]
        now = load(kind, name)
        if not now:
            fail(f'Error from server (NotFound): error when replacing "STDIN": {word_of(kind)} "{name}" not found')
        if thing["metadata"].get("resourceVersion", now["metadata"]["resourceVersion"]) != now["metadata"]["resourceVersion"]:
            fail(
                'Error from server (Conflict): error when replacing "STDIN": Operation cannot be fulfilled on '
                f'{word_of(kind)} "{name}": the object has been modified; please apply your changes to the latest version'
            )
        save(thing)
        print(shown(thing))


def change(word, name, act):
    thing = load(KINDS[word][0], name)
    if not thing:
        fail(f'Error from server (NotFound): {word} "{name}" not found')
    act(thing)
    save(thing)
    print(shown(thing))


def matches(selector, labels):
    for term in re.findall(r"[^,(]+(?:\([^)]*\))?", selector):
        one_of = re.fullmatch(r"(\S+) in \((.*)\)", term)
        if one_of:
            fits = labels.get(one_of[1]) in one_of[2].split(",")
        elif "=" in term:
            key, value = term.split("=")
            fits = labels.get(key) == value
        else:
            fits = term in labels
        if not fits:
            return False
    return True


# Pods.


def pods(owner=None):
    found = [Pod(path) for path in sorted(PODS.glob("*/pod.json"))]
    return [pod for pod in found if owner in (None, pod.said["owner"])]


class Pod:
    def __init__(self, path):
        self.directory = path.parent
        self.name = path.parent.name
        self.said = json.loads(path.read_text())

    def save(self):
        path = self.directory / "pod.json"
        path.with_suffix(".new").write_text(json.dumps(self.said))
        path.with_suffix(".new").rename(path)

    def is_alive(self):
        pid = self.said.get("pid")
        if not pid:
            return False
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    def port(self):
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.log())
        return int(found[1]) if found else None

    def log(self, name="log"):
        path = self.directory / name
        return path.read_text(errors="replace") if path.exists() else ""

    def is_ready(self):
        if not self.is_alive() or self.said.get("going") or not self.port():
            return False
        path = self.said["container"]["readinessProbe"]["httpGet"]["path"]
        try:
            with socket.create_connection(("127.0.0.1", self.port()), timeout=5) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                return re.match(rb"HTTP/1.1 [23]", connection.recv(12)) is not None
        except OSError:
            return False

    def end(self):
        self.said["going"] = True
        self.save()
        if self.is_alive():
            os.killpg(self.said["pid"], signal.SIGTERM)

    def object(self):
        said = self.said
        ready = self.is_ready()
        status = {"phase": "Running" if said.get("pid") else "Pending", "conditions": [], "containerStatuses": []}
        scheduled = {"type": "PodScheduled", "status": "True"}
        if said.get("unschedulable"):
            scheduled = {
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said["unschedulable"]}
        status["conditions"] = [scheduled, {"type": "Ready", "status": "True" if ready else "False"}]
        container = {"name": said["container"]["name"], "restartCount": said.get("restarts", 0), "ready": ready}
        if said.get("waiting"):
            container["state"] = {"waiting": said["waiting"]}
        if said.get("ended") is not None:
            container["lastState"] = {"terminated": {"reason": "Error", "exitCode": said["ended"]}}
        if not said.get("unschedulable"):
            status["containerStatuses"] = [container]
        metadata = {"name": self.name, "labels": said["labels"]}
        if said.get("going"):
            metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}, "status": status}


class PullFailed(Exception):
    pass


def pulled(reference):
    """The unpacked files and the config of an image, fetched by its digest and checked."""
    # Most calls need none of these, which take their time.
    import io
    import tarfile
    import urllib.request

    host, rest = reference.split("/", 1)
    name, digest = rest.split("@")
    place = STATE / "images" / digest.replace(":", "-")
    config = place.with_suffix(".config")
    if config.exists():
        return place, json.loads(config.read_text())

    def fetch(path, accept="*/*"):
        request = urllib.request.Request(f"http://{host}/v2/{name}/{path}", headers={"Accept": accept})
        try:
            content = urllib.request.urlopen(request, timeout=20).read()
        except OSError as error:
            raise PullFailed(f'failed to pull and unpack image "{reference}": {error}') from error
        found = "sha256:" + hashlib.sha256(content).hexdigest()
        assert path.endswith(found), f"{path} hashes to {found}"
        return content

    manifest = json.loads(fetch(f"manifests/{digest}", "application/vnd.oci.image.manifest.v1+json"))
    said = json.loads(fetch(f"blobs/{manifest['config']['digest']}"))
    place.mkdir(parents=True, exist_ok=True)
    for layer, diff in zip(manifest["layers"], said["rootfs"]["diff_ids"], strict=True):
        with tarfile.open(fileobj=io.BytesIO(fetch(f"blobs/{layer['digest']}")), mode="r:gz") as archive:
            archive.extractall(place, filter="tar")
        assert diff.startswith("sha256:")
    config.write_text(json.dumps(said))
    return place, said


def command_of(pod):
    """What the pod's server runs here, and in which environment."""
    spec, container = pod["spec"], pod["container"]
    program = (STATE / "mlx").read_text()
    variables = {"PATH": os.environ["PATH"]}
    sources = [(item["name"], item) for item in container.get("env", [])]
    for name, item in sources:
        variables[name] = item["value"] if "value" in item else secret_of(item["valueFrom"]["secretKeyRef"])
    for source in container.get("envFrom", []):
        for key in load_secret(source["secretRef"]["name"])["stringData"]:
            variables[key] = secret_of({"name": source["secretRef"]["name"], "key": key})
    # The user and its rights are the kubelet's, but the settings have to be there.
    assert spec["securityContext"]["runAsNonRoot"] and container["securityContext"]["readOnlyRootFilesystem"]
    volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
    mounts = {}
    for mount in container.get("volumeMounts", []):
        volume = volumes[mount["name"]]
        if "image" in volume:
            mounts[mount["mountPath"]] = pulled(volume["image"]["reference"])[0]
    if "STORAGE_URI" in variables:
        mounts["/mnt/models"] = pulled(variables["STORAGE_URI"].removeprefix("oci://"))[0] / "models"
    words = container.get("command", []) + container.get("args", [])
    if "command" not in container:
        root, config = pulled(container["image"])
        words = config["config"]["Entrypoint"] + words
        mounts["/opt/mlx"] = root / "opt/mlx"
        program = str(root / "usr/local/bin/mlx")
        assert words[0] == "/usr/local/bin/mlx", words
    words[0] = program
    for place, files in mounts.items():
        words = [word.replace(place, str(files)) if word.startswith(place) else word for word in words]
    # A pod has an address of its own; here it has a port of its own.
    at = words.index("--port")
    assert words[at + 1] == "8080", words
    words[at + 1] = "0"
    return ["127.0.0.1" if word == "0.0.0.0" else word for word in words], variables


class ConfigFailed(Exception):
    pass


def load_secret(name):
    secret = load("Secret", name)
    if not secret:
        raise ConfigFailed(f'secret "{name}" not found')
    return secret


def secret_of(reference):
    data = load_secret(reference["name"])["stringData"]
    if reference["key"] not in data:
        raise ConfigFailed(f'couldn\'t find key {reference["key"]} in Secret {reference["name"]}')
    return data[reference["key"]]


def start(pod):
    """Fetches and runs it; what stands in the way is told by its state."""
    said, wrong = pod.said, faults()
    said.pop("waiting", None)
    if "unschedulable" in wrong:
        said["unschedulable"] = wrong["unschedulable"]
        return
    said.pop("unschedulable", None)
    try:
        if "pull" in wrong:
            raise PullFailed(wrong["pull"])
        words, variables = command_of(said)
    except PullFailed as error:
        tried = said["tried"] = said.get("tried", 0) + 1
        said["waiting"] = {"reason": "ErrImagePull" if tried == 1 else "ImagePullBackOff", "message": str(error)}
        return
    except ConfigFailed as error:
        said["waiting"] = {"reason": "CreateContainerConfigError", "message": str(error)}
        return
    if "crash" in wrong and wrong["crash"] in said["labels"].get("app.kubernetes.io/version", ""):
        words = ["sh", "-c", "echo 'cannot load the model: out of luck'; exit 3"]
    if (pod.directory / "log").exists():
        (pod.directory / "log").rename(pod.directory / "previous")
    with open(pod.directory / "log", "w") as log:
        process = subprocess.Popen(
            words, env=variables, start_new_session=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    said["pid"] = process.pid
    # It is nobody's child once this call is over, so that it is not looked for by its parent.
    (pod.directory / "exit").unlink(missing_ok=True)


def look_after(pod):
    """What a kubelet does for a pod."""
    if pod.said.get("going"):
        if not pod.is_alive():
            (pod.directory / "pod.json").unlink()
        return
    if pod.said.get("pid") and not pod.is_alive():
        pod.said["restarts"] = pod.said.get("restarts", 0) + 1
        pod.said["ended"] = 3
        pod.said["pid"] = None
        start(pod)
        pod.said["waiting"] = {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}
        pod.save()
    elif not pod.said.get("pid"):
        start(pod)
        pod.save()


def owners():
    """What is to have pods: name, how many, labels and specification."""
    for thing in objects("Deployment"):
        template = thing["spec"]["template"]
        yield thing, thing["spec"]["replicas"], template["metadata"]["labels"], template["spec"]
    for thing in objects("InferenceService"):
        predictor = thing["spec"]["predictor"]
        assert thing["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "RawDeployment"
        is_stopped = thing["metadata"]["annotations"].get(STOP) == "true"
        yield thing, 0 if is_stopped else predictor["minReplicas"], predictor["labels"], predictor


def reconcile():
    known = set()
    for thing, wanted, labels, spec in owners():
        owner = f'{thing["kind"]}/{thing["metadata"]["name"]}'
        known.add(owner)
        mark = hashlib.sha256(json.dumps([labels, spec], sort_keys=True).encode()).hexdigest()[:8]
        its = [pod for pod in pods(owner) if not pod.said.get("going")]
        new = [pod for pod in its if pod.said["mark"] == mark]
        status = {"conditions": []}
        quota = faults().get("quota")
        if quota and len(new) < wanted:
            status["conditions"] = [{"type": "ReplicaFailure", "status": "True", "message": quota}]
        while len(new) < wanted and not quota:
            number = int((STATE / "pods").read_text()) + 1 if (STATE / "pods").exists() else 1
            (STATE / "pods").write_text(str(number))
            directory = PODS / f'{thing["metadata"]["name"]}-{mark}-{number}'
            directory.mkdir(parents=True)
            said = {"owner": owner, "mark": mark, "labels": labels, "spec": spec, "container": spec["containers"][0]}
            (directory / "pod.json").write_text(json.dumps(said))
            new.append(Pod(directory / "pod.json"))
            look_after(new[-1])
        for pod in new[wanted:]:
            pod.end()
        # A rolling update: the old ones go when the new ones are ready.
        old = [pod for pod in its if pod.said["mark"] != mark]
        if old and all(pod.is_ready() for pod in new):
            for pod in old:
                pod.end()
        if thing.get("status") != status:
            path = place(thing["kind"], thing["metadata"]["name"])
            path.write_text(json.dumps({**thing, "status": status}))
    for pod in pods():
        if pod.said["owner"] not in known and not pod.said.get("going"):
            pod.end()
    for pod in pods():
        look_after(pod)


def of_service(name):
    service = load("Service", name)
    if not service:
        fail(f'Error from server (NotFound): services "{name}" not found')
    wanted = service["spec"]["selector"].items()
    return [pod for pod in pods() if wanted <= pod.said["labels"].items() and pod.is_ready()]


def pod_named(name):
    found = [pod for pod in pods() if pod.name == name]
    if not found:
        fail(f'Error from server (NotFound): pods "{name}" not found')
    return found[0]


# Commands.


def get(words, options):
    kinds = words[1].split(",")
    selector = options.get("--selector", "")
    found = []
    for kind in kinds:
        if kind not in KINDS or KINDS[kind][0] in faults().get("unknown", []):
            fail(f'error: the server doesn\'t have a resource type "{kind.split(".")[0]}"')
        things = [pod.object() for pod in pods()] if kind == "pods" else objects(KINDS[kind][0])
        found += [thing for thing in things if matches(selector, thing["metadata"].get("labels", {}))]
    if len(words) == 2:
        print(json.dumps({"apiVersion": "v1", "kind": "List", "items": found}))
        return
    named = [thing for thing in found if thing["metadata"]["name"] == words[2]]
    if named:
        print(json.dumps(named[0]))
    elif "--ignore-not-found" not in options:
        fail(f'Error from server (NotFound): {kinds[0]} "{words[2]}" not found')


def run(words, options):
    """Carries a command out; false where it is none of these."""
    verb = words[0]
    if verb == "apply":
        assert "--server-side" in options and options["--field-manager"] == "mlx"
        apply(options.get("--dry-run") == "server")
    elif verb == "create":
        create()
    elif verb == "replace":
        replace()
    elif verb == "get":
        reconcile()
        get(words, options)
        return True
    elif verb == "delete":
        for name in words[2:]:
            path = place(KINDS[words[1]][0], name)
            assert path.exists() or "--ignore-not-found" in options
            path.unlink(missing_ok=True)
    elif verb == "scale":
        count = int(options["--replicas"])
        change(words[1], words[2], lambda thing: (thing["spec"].update(replicas=count), thing.update(scaled=True)))
    elif verb == "annotate":
        assert "--overwrite" in options
        said = dict(word.split("=") for word in words[3:])
        change(words[1], words[2], lambda thing: thing["metadata"].setdefault("annotations", {}).update(said))
    elif verb == "logs":
        pod = pod_named(words[1])
        assert options["--container"] == pod.said["container"]["name"]
        text = pod.log("previous" if "--previous" in options else "log")
        print("\n".join(text.splitlines()[-int(options["--tail"]):]))
        return True
    elif verb == "teardown":
        # Not of kubectl: a test is over.
        for pod in pods():
            if pod.is_alive():
                os.killpg(pod.said["pid"], signal.SIGKILL)
        return True
    else:
        return False
    reconcile()
    return True


def port_of(thing):
    """Where a pod listens, or the first one that a Service leads to."""
    kind, name = thing.split("/")
    if kind == "pod":
        return pod_named(name).port()
    found = of_service(name)
    if not found:
        fail("error: unable to forward port because pod is not running. Current status=Pending")
    return found[0].port()


def forward(port):
    """Passes connections on until it is ended."""
    import threading

    listener = socket.create_server(("127.0.0.1", 0))
    print(f"Forwarding from 127.0.0.1:{listener.getsockname()[1]} -> 8080", flush=True)
    while True:
        client, _ = listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", port))
        except OSError:
            # As the real one does when its pod is gone.
            fail("error: lost connection to pod")
        threading.Thread(target=pump, args=(client, server), daemon=True).start()


def pump(client, server):
    import select

    with client, server:
        while True:
            ready, _, _ = select.select([client, server], [], [])
            for one in ready:
                piece = one.recv(1 << 16)
                if not piece:
                    return
                (server if one is client else client).sendall(piece)
