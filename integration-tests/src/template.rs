//! A migrated database with a known administrator, made once per build and copied for every test.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::pulp::PASSWORD;
use crate::{Services, executable};

/// Copies the template of an `executable` to `target`; creates it first if there is none yet.
pub(crate) fn copy_to(target: &Path, executable: &Path) {
    let template = path(executable);
    let root = template.parent().unwrap();
    std::fs::create_dir_all(root).unwrap();
    // Postgres, which runs under an account of its own if we are root, must be able to come here.
    std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o755)).unwrap();
    let lock = std::fs::File::create(root.join("lock")).unwrap();
    lock.lock().unwrap();
    if !template.exists() {
        remove_earlier(&template);
        make(&template, executable);
    }
    let status =
        Command::new("cp").args(["-a", "--reflink=auto"]).arg(&template).arg(target).status().unwrap();
    assert!(status.success(), "the template database could not be copied");
}

/// Where the template of this build is: outside of the build's folder, whose path may be too long for
/// sockets.
fn path(executable: &Path) -> PathBuf {
    let metadata = executable.metadata().unwrap();
    let mut hasher = DefaultHasher::new();
    (executable, metadata.len(), metadata.mtime(), metadata.mtime_nsec()).hash(&mut hasher);
    let user = rustix::process::getuid().as_raw();
    let name = executable.file_name().unwrap_or_default().to_string_lossy();
    let root = std::env::temp_dir().join(format!("pulpcore-tests-{user}"));
    root.join(format!("{name}.{:016x}", hasher.finish()))
}

/// Removes the templates of earlier builds of the same executable.
fn remove_earlier(template: &Path) {
    for entry in std::fs::read_dir(template.parent().unwrap()).unwrap().flatten() {
        if entry.path().is_dir() && entry.path().file_stem() == template.file_stem() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn make(template: &Path, executable: &Path) {
    let unfinished = template.with_extension("new");
    let settings = tempfile::tempdir().unwrap();
    let services = Services::start(&unfinished, false, None);
    let environment = crate::pulp::environment(settings.path(), &services.environment, "http://localhost");
    executable::run(executable, &environment, &["migrate"]);
    executable::run(executable, &environment, &["reset-admin-password", "--password", PASSWORD]);
    services.stop();
    std::fs::rename(unfinished, template).unwrap();
}
