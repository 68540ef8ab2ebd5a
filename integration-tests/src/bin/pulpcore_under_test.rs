//! `pulpcore` with the file plugin, as it is shipped, and with the test tasks.

use std::process::ExitCode;

fn main() -> ExitCode {
    deploy::main(&[&plugin_file::File, &integration_tests::tasks::TestTasks])
}
