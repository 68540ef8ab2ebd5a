//! The `pulpcore` command.
fn main() {}
