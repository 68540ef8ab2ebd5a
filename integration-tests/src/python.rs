//! Commands from `PyPI`, each in a Python environment of its own below the build's folder.

use std::path::PathBuf;
use std::process::Command;

/// The `command` of a version of a package, which is installed when it is asked for the first time.
///
/// # Panics
/// If it cannot be installed.
pub(crate) fn installed(package: &str, version: &str, command: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    let lock = std::fs::File::create(target.join(format!("{package}.lock"))).unwrap();
    lock.lock().unwrap();
    let environment = target.join(format!("{package}-{version}"));
    let (executable, done) = (environment.join("bin").join(command), environment.join("done"));
    if !done.exists() {
        let _ = std::fs::remove_dir_all(&environment);
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        let pip = environment.join("bin/pip");
        run(Command::new(pip).args(["install", "--quiet", "--no-input", &format!("{package}=={version}")]));
        std::fs::write(done, "").unwrap();
    }
    assert!(executable.exists(), "{} is not there", executable.display());
    executable
}

fn run(command: &mut Command) {
    let output =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error} (deploy/test installs it)"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{complaint}", output.status);
}
