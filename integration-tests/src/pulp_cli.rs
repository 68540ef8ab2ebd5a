//! The real `pulp` command from `PyPI`, in a Python environment of its own.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::{PASSWORD, Pulp, python};

/// The version whose needs are known.
const VERSION: &str = "0.41.1";

/// A user's client of one installation. It has a home and a cache of its own: the client keeps a server's API
/// description for ever.
#[derive(Debug)]
pub struct PulpCli {
    executable: PathBuf,
    base_url: String,
    home: TempDir,
}

impl PulpCli {
    /// A client of this installation; the first one ever downloads the command.
    ///
    /// # Panics
    /// If it cannot be installed.
    pub fn new(pulp: &Pulp) -> PulpCli {
        PulpCli {
            executable: python::installed("pulp-cli", VERSION, "pulp"),
            base_url: pulp.client.base.clone(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// Runs a command and answers what it prints, as JSON if it is.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn run(&self, arguments: &str) -> Value {
        let output = self.output(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, complaint) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "pulp {arguments}: {}\n{out}{complaint}", output.status);
        serde_json::from_str(&out).unwrap_or(Value::String(out))
    }

    /// Runs a command that has to fail, and answers what it complains about.
    ///
    /// # Panics
    /// If it succeeds.
    #[track_caller]
    pub fn fail(&self, arguments: &str) -> String {
        let output = self.output(arguments);
        assert!(!output.status.success(), "pulp {arguments} must fail");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!complaint.contains("Traceback"), "pulp {arguments}: {complaint}");
        complaint
    }

    fn output(&self, arguments: &str) -> Output {
        let home = self.home.path();
        Command::new(&self.executable)
            .args(["--base-url", &self.base_url, "--username", "admin", "--password", PASSWORD])
            .args(["--format", "json"])
            .args(arguments.split(' '))
            .envs([
                ("HOME", home),
                ("XDG_CACHE_HOME", &home.join("cache")),
                ("XDG_CONFIG_HOME", &home.join("config")),
            ])
            .env("NO_PROXY", "*")
            .current_dir(home)
            .output()
            .unwrap()
    }
}
