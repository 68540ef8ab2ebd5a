//! The `pulpcore` command under test.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Names another executable to test than the one of the same build.
const VARIABLE: &str = "PULPCORE";

/// Where it is: `target/<profile>/pulpcore` of the build that made this test, or what `PULPCORE` names.
///
/// # Panics
/// If it is not there.
pub fn path() -> PathBuf {
    if let Some(path) = std::env::var_os(VARIABLE) {
        return path.into();
    }
    built("pulpcore").unwrap_or_else(|| {
        panic!(
            "pulpcore is not there: run the tests with deploy/test, or `cargo build -p deploy` first, or name an \
             executable in {VARIABLE}"
        )
    })
}

/// The executable of the example of a plugin, `plugins/example`.
///
/// # Panics
/// If it is not there.
pub fn example() -> PathBuf {
    built("pulp-note")
        .expect("pulp-note is not there: run the tests with deploy/test, or `deploy/example build` first")
}

/// What a benchmark measures in turns: this build, and the one that `BASELINE` names, if it names any.
pub fn compared() -> Vec<(&'static str, PathBuf)> {
    let baseline = std::env::var_os("BASELINE").map(|path| ("baseline", path.into()));
    std::iter::once(("this build", path())).chain(baseline).collect()
}

/// A program of the build that made this test or this program, if it is there.
fn built(name: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().unwrap();
    own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// A call of it that sees no setting of the machine: neither its variables nor its settings file.
pub fn command(environment: &[(String, String)]) -> Command {
    call(path(), environment)
}

/// As [`command`], of the executable that knows the test tasks beside the product's: `pulpcore-under-test`.
///
/// # Panics
/// If it is not there.
pub fn command_under_test(environment: &[(String, String)]) -> Command {
    let path = built("pulpcore-under-test")
        .expect("pulpcore-under-test is not there: `cargo build -p integration-tests --bins` first");
    call(path, environment)
}

/// As [`command`], of another program.
pub(crate) fn call(path: PathBuf, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PULP_") {
            command.env_remove(name);
        }
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

/// Runs an executable to its end and returns what it printed.
///
/// # Panics
/// If it fails.
pub fn run(executable: &Path, environment: &[(String, String)], arguments: &[&str]) -> String {
    let output = call(executable.into(), environment).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "pulpcore {arguments:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}
