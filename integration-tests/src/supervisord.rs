//! The real supervisord on `deploy/supervisord.conf`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Process, executable, python};

/// The version whose behaviour is known.
const VERSION: &str = "4.3.0";

/// How long its programs may take to stop at the end of a test, before they are killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running supervisord. All that it has started goes with the value, and with the test.
#[derive(Debug)]
pub struct Supervisord(Process);

impl Supervisord {
    /// Starts it in `directory`, where it finds its settings in `environment`; the first start ever downloads
    /// it.
    ///
    /// # Panics
    /// If it cannot be installed.
    pub fn start(environment: &[(String, String)], directory: &Path) -> Supervisord {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/supervisord.conf");
        let pulpcore = executable::path();
        let path = std::env::var("PATH").unwrap_or_default();
        // When the test dies it stops its programs; killed, it would leave them behind.
        let mut command = executable::call("setpriv".into(), environment);
        command.args(["--pdeathsig", "TERM"]);
        command.arg(python::installed("supervisor", VERSION, "supervisord"));
        command.arg("--nodaemon").arg("--configuration").arg(file).current_dir(directory);
        command.env("PATH", format!("{}:{path}", pulpcore.parent().unwrap().display()));
        Supervisord(Process::start("supervisor", command, directory))
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.0
    }

    /// Runs `supervisorctl` and answers what it prints.
    pub fn control(&self, directory: &Path, arguments: &[&str]) -> String {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/supervisord.conf");
        let mut command = Command::new(python::installed("supervisor", VERSION, "supervisorctl"));
        let output = command.arg("-c").arg(file).args(arguments).current_dir(directory).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The process ids of all that it has started and that runs now.
    pub fn programs(&self) -> Vec<Pid> {
        let pid = self.0.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
    }
}

impl Drop for Supervisord {
    fn drop(&mut self) {
        let programs = self.programs();
        self.0.signal(Signal::TERM);
        let began = Instant::now();
        while self.0.status().is_none() {
            if began.elapsed() > PATIENCE {
                for program in programs {
                    let _ = kill_process(program, Signal::KILL);
                }
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
