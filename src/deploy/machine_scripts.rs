//! What is done on another machine, in the words of a POSIX shell.
//!
//! Each script runs behind the prologue of `remote::backend::ssh`: `$p` is the target's directory, the arguments follow from
//! `$2` on, `$o $g` are what `stat` must be told to print a size, `eval` finds in `$last` the number of the process that was
//! started last, and no script holds a quote, a backslash, an exclamation mark or a line end.

// How the scripts end when there is something to say.
pub const TAKEN: i32 = 43;
pub const MISSING: i32 = 44;
pub const FOREIGN: i32 = 45;
pub const TOO_SLOW: i32 = 46;
pub const LOCK_LOST: i32 = 47;
pub const INCOMPLETE: i32 = 48;
pub const ENDED: i32 = 49;

/// What a script that may be silent for long says now and then.
pub const ALIVE: &str = ".";

/// `$s` hashes files.
macro_rules! hashing {
    ($($part:literal)*) => {
        concat!(
            "if command -v sha256sum >/dev/null 2>&1; then s=sha256sum; \
            elif command -v shasum >/dev/null 2>&1; then s=\"shasum -a 256\"; \
            else echo there is no sha256sum >&2; exit 127; fi; ",
            // A connection over which nothing comes for a minute is taken for lost.
            "( while sleep 10 >/dev/null 2>&1; do echo .; done ) & eval \"y=$last\"; trap \"kill $y 2>/dev/null\" EXIT; ",
            $($part),*
        )
    };
}

/// Arguments: token, owner. The mark is a directory whose holder is heard; where there is `flock`, it locks out programs that
/// run on that machine as well. A mark that nobody touched for two minutes is taken away; one that somebody took over in the
/// same moment is put back. The watcher ends a lock whose connection is lost without anybody there having noticed.
pub const LOCK: &str = "l=$p/lock.d; k=$2; w=$(printf %b \"$3\"); mkdir -p \"$p/tmp\" || exit 1; \
    if command -v flock >/dev/null 2>&1; then exec 9<>\"$p/lock\" || exit 1; flock -n 9 || { cat \"$p/lock\"; exit 43; }; fi; \
    old() { [ -n \"$(find \"$1\" -prune -mmin +2 2>/dev/null)\" ]; }; \
    until mkdir \"$l\" 2>/dev/null; do \
        [ -d \"$l\" ] || { mkdir \"$l\"; exit 1; }; \
        old \"$l\" && mv \"$l\" \"$p/tmp/tmp-$k\" 2>/dev/null || { cat \"$l/owner\" 2>/dev/null; exit 43; }; \
        old \"$p/tmp/tmp-$k\" || { mv \"$p/tmp/tmp-$k\" \"$l\"; cat \"$l/owner\"; exit 43; }; \
        rm -rf \"$p/tmp/tmp-$k\"; \
    done; \
    echo \"$k\" >\"$l/token\" && echo \"$w\" >\"$l/owner\" || exit 1; \
    if [ -e \"$p/lock\" ]; then echo \"$w\" >\"$p/lock\"; fi; \
    rm -rf \"$p\"/tmp/tmp-* \"$p\"/releases/tmp-* 2>/dev/null; \
    mine() { [ \"$(cat \"$l/token\" 2>/dev/null)\" = \"$k\" ]; }; \
    m=$$; ( while sleep 20; do mine || exit 0; if old \"$l\"; then kill $m; exit 0; fi; done ) >/dev/null 2>&1 9>&- & eval \"y=$last\"; \
    leave() { kill $y 2>/dev/null; if mine; then rm -rf \"$l\"; fi; exit 0; }; trap leave HUP INT TERM PIPE; \
    echo held; while read -r x; do touch \"$l\"; mine || break; done; leave";

pub const LIVE: &str =
    "[ -h \"$p/current\" ] && exec readlink \"$p/current\"; [ -e \"$p/current\" ] && exit 45; exit 44";

pub const RELEASES: &str = "cd \"$p/releases\" 2>/dev/null || exit 0; \
    for d in *; do if [ -f \"$d/mlx.bundle.json\" ]; then echo \"$d\"; fi; done; exit 0";

/// Argument: directory. Takes lines as `sha256sum` writes them, gives `NAME: OK` for what is whole.
pub const HASHES: &str =
    hashing!("cd \"$p/$2\" 2>/dev/null || { cat >/dev/null; exit 0; }; $s -c - 2>/dev/null; exit 0");

/// Arguments: directory, a directory in it. Names whatever lies there and is no directory.
pub const CODE: &str =
    "cd \"$p/$2\" 2>/dev/null || exit 0; [ -e \"$3\" ] || exit 0; exec find \"$3\" -type d -o -print";

/// Takes lines of digest and size, gives those of contents that are not there with that size.
pub const LACKING: &str = "cd \"$p/blobs/sha256\" 2>/dev/null || exec cat; while read -r h n; do \
    if [ -f \"$h\" ] && [ \"$(stat -L $o $g \"$h\" 2>/dev/null)\" = \"$n\" ]; then :; else echo \"$h\"; fi; done; exit 0";

/// Arguments: digest, mode, a name of our own.
pub const RECEIVE: &str = hashing!(
    "b=$p/blobs/sha256; t=$p/tmp/tmp-$4; mkdir -p \"$b\" \"$p/tmp\" \"$p/releases\" || exit 1; \
    if [ -d \"$b/$2\" ]; then echo \"$b/$2: is a directory\" >&2; exit 1; fi; \
    cat >\"$t\" || { rm -f \"$t\"; exit 1; }; \
    [ \"$($s <\"$t\" | cut -c 1-64)\" = \"$2\" ] || { rm -f \"$t\"; exit 48; }; \
    chmod \"$3\" \"$t\" && { sync \"$t\" 2>/dev/null; mv -f \"$t\" \"$b/$2\"; } || { rm -f \"$t\"; exit 1; }"
);

/// Argument: a name of our own. Takes a tar with contents by digest: those in `x` may be executed, those in `r` not.
pub const RECEIVE_MANY: &str = hashing!(
    "b=$p/blobs/sha256; t=$p/tmp/tmp-$2; mkdir -p \"$b\" \"$t\" \"$p/releases\" || exit 1; \
    bad() { cd /; rm -rf \"$t\"; exit $1; }; tar -xf - -C \"$t\" || bad 1; \
    for d in r x; do [ -d \"$t/$d\" ] || continue; cd \"$t/$d\" || bad 1; \
        $s * | while read -r h n; do [ \"$h\" = \"$n\" ] || exit 48; done || bad 48; \
        if [ $d = x ]; then chmod 555 *; else chmod 444 *; fi; sync -f . 2>/dev/null || sync; \
        mv -f * \"$b/\" || bad 1; \
    done; sync \"$b\" 2>/dev/null; bad 0"
);

/// Arguments: release, a name of our own. Takes lines of kind (`r` or `x`), digest and encoded path; what the bundle says about
/// itself lies in `tmp` already.
pub const LAY_OUT: &str = "b=$p/blobs/sha256; r=$p/releases/$2; t=$p/releases/tmp-$3; d=$p/tmp/tmp-$3-own; q=; \
    rm -rf \"$t\"; mkdir -p \"$t\" || exit 1; \
    while read -r k h e; do n=$(printf %b \"$e\"); \
        case \"$n\" in */*) if [ \"${n%/*}\" = \"$q\" ]; then :; else q=${n%/*}; mkdir -p \"$t/$q\" || exit 1; fi;; esac; \
        j=r; if [ -x \"$b/$h\" ]; then j=x; fi; \
        if [ $j = $k ] && ln \"$b/$h\" \"$t/$n\" 2>/dev/null; then continue; fi; \
        cp \"$b/$h\" \"$t/$n\" || exit 1; if [ $k = x ]; then chmod 555 \"$t/$n\"; else chmod 444 \"$t/$n\"; fi; \
    done; \
    chmod 444 \"$d\"/* && mv -f \"$d\"/* \"$t/\" && rmdir \"$d\" || exit 1; sync -f \"$t\" 2>/dev/null || sync; \
    if [ -e \"$r\" ]; then mv \"$r\" \"$p/tmp/tmp-$3-old\" || exit 1; fi; mv \"$t\" \"$r\" || exit 1; \
    chmod -R u+w \"$p/tmp/tmp-$3-old\" 2>/dev/null; rm -rf \"$p/tmp/tmp-$3-old\"; sync \"$p/releases\" 2>/dev/null; exit 0";

/// `place LINK TO` puts a link in the place of another. A `mv` without `-T` would follow the link; BSD calls that `-h`, and
/// where it knows neither, Perl renames.
macro_rules! placing {
    ($($part:literal)*) => {
        concat!(
            "place() { mv -f -T \"$1\" \"$2\" 2>/dev/null || mv -f -h \"$1\" \"$2\" 2>/dev/null || \
            perl -e \"rename shift, shift or die\" \"$1\" \"$2\" || { rm -f \"$1\"; exit 1; }; }; ",
            $($part),*
        )
    };
}

/// Arguments: release, token, a name of our own.
pub const ACTIVATE: &str = placing!(
    "[ \"$(cat \"$p/lock.d/token\" 2>/dev/null)\" = \"$3\" ] || exit 47; \
    if [ -f \"$p/releases/$2/mlx.bundle.json\" ]; then :; else echo \"$p/releases/$2: is gone\" >&2; exit 1; fi; \
    t=$p/tmp/tmp-$4; ln -s \"releases/$2\" \"$t\" || exit 1; place \"$t\" \"$p/current\"; \
    [ \"$(readlink \"$p/current\")\" = \"releases/$2\" ] || { echo \"$p/current: is another link\" >&2; exit 1; }; \
    sync \"$p\" 2>/dev/null; exit 0"
);

/// Argument: a name of our own. The link leads to a directory, as `current` does.
pub const TRY_SWITCH: &str = placing!(
    "t=$p/tmp/tmp-$2; mkdir -p \"$t/one\" \"$t/two\" && ln -s one \"$t/current\" && ln -s two \"$t/next\" || exit 1; \
    place \"$t/next\" \"$t/current\"; x=$(readlink \"$t/current\"); rm -rf \"$t\"; \
    [ \"$x\" = two ] || { echo no mv here replaces a link >&2; exit 1; }"
);

/// Arguments: release, a name of our own. Away with one rename first, so that no half of it is taken for a release.
pub const REMOVE: &str = "r=$p/releases/$2; t=$p/tmp/tmp-$3; [ -e \"$r\" ] || exit 0; mkdir -p \"$p/tmp\" || exit 1; \
    mv \"$r\" \"$t\" || exit 1; rm -rf \"$t\"";

/// Takes a line. One that was cut off by a kill must not take this one with it.
pub const APPEND: &str = "x=$p/history.jsonl; if [ -s \"$x\" ] && [ -n \"$(tail -c 1 \"$x\")\" ]; then echo >>\"$x\"; fi; \
    cat >>\"$x\" || exit 1; sync \"$x\" 2>/dev/null; exit 0";

/// Removes contents that no release has a link to.
pub const SWEEP: &str = "cd \"$p/blobs/sha256\" 2>/dev/null || exit 0; exec find . -type f -links 1 -exec rm -f {} +";

pub const PLATFORM: &str = "exec uname -sm";

/// Argument: digest.
pub const HAS_PROGRAM: &str =
    hashing!("[ -x \"$p/bin/$2\" ] && [ \"$($s <\"$p/bin/$2\" | cut -c 1-64)\" = \"$2\" ] || exit 44; exit 0");

/// Arguments: digest, a name of our own. A server that runs keeps the program it was started with.
pub const PUT_PROGRAM: &str = hashing!(
    "t=$p/tmp/tmp-$3; mkdir -p \"$p/bin\" \"$p/tmp\" || exit 1; cat >\"$t\" || { rm -f \"$t\"; exit 1; }; \
    [ \"$($s <\"$t\" | cut -c 1-64)\" = \"$2\" ] || { rm -f \"$t\"; exit 48; }; \
    chmod 755 \"$t\" && mv -f \"$t\" \"$p/bin/$2\" && ln -s -f \"bin/$2\" \"$p/mlx\" || exit 1; \
    for x in \"$p\"/bin/*; do if [ \"$x\" = \"$p/bin/$2\" ]; then :; else rm -f \"$x\"; fi; done; exit 0"
);

/// Arguments: release, digest of the program, tenths of a second, a name of our own. A server that says its address gave the
/// answers that were recorded. It ends with the script, however that ends.
pub const TRY: &str = "l=$p/tmp/tmp-$5; mkdir -p \"$p/tmp\" || exit 1; unset MLX_SERVE_TOKEN; \
    \"$p/bin/$3\" serve \"$p/releases/$2\" --port 0 >\"$l\" 2>&1 </dev/null & eval \"k=$last\"; \
    leave() { kill -9 $k 2>/dev/null; rm -f \"$l\"; }; trap leave EXIT; trap \"exit 1\" HUP INT TERM PIPE; n=0; \
    while :; do \
        if grep -q http://127.0.0.1: \"$l\"; then exit 0; fi; \
        kill -0 $k 2>/dev/null || { tail -n 12 \"$l\"; exit 49; }; \
        [ $n -lt $4 ] || { tail -n 12 \"$l\"; exit 46; }; \
        n=$((n + 1)); sleep 0.1 2>/dev/null || { sleep 1; n=$((n + 9)); }; \
        if [ $((n % 100)) = 0 ]; then echo .; fi; \
    done";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_pass_through_any_shell_as_they_are_and_are_sound() {
        let scripts = [
            LOCK,
            LIVE,
            RELEASES,
            HASHES,
            CODE,
            LACKING,
            RECEIVE,
            RECEIVE_MANY,
            LAY_OUT,
            ACTIVATE,
            REMOVE,
            APPEND,
            SWEEP,
            PLATFORM,
            HAS_PROGRAM,
            PUT_PROGRAM,
            TRY,
        ];
        for script in scripts {
            assert!(!script.contains(['\'', '\\', '!', '\n']), "{script}");
            let parsed = std::process::Command::new("sh").args(["-n", "-c", script]).status().unwrap();
            assert!(parsed.success(), "{script}");
        }
    }
}
