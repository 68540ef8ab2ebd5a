//! `pulpcore` as it is shipped.

use std::process::ExitCode;

fn main() -> ExitCode {
    deploy::main(&[&plugin_file::File])
}
