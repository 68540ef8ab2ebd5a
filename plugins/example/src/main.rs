//! `pulpcore` with the plugin for notes beside the one for files: an executable is a list of plugins.

fn main() -> std::process::ExitCode {
    deploy::main(&[&plugin_file::File, &pulp_note::Notes])
}
