//! How many files and connections a process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors that are kept for files, databases and upstreams, beside those of clients.
const RESERVED: u64 = 64;

/// Raises the soft limit of open descriptors to the hard one: a shell's usual 1,024 are few for a server.
pub(crate) fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

/// How many connections may be open at a time, of `wanted`: each may need another descriptor for the file or
/// the upstream that it is served from.
pub(crate) fn connections(wanted: usize) -> usize {
    of_limit(wanted, getrlimit(Resource::Nofile).current)
}

fn of_limit(wanted: usize, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return wanted };
    let possible = (limit.saturating_sub(RESERVED) / 2).max(limit / 4);
    wanted.min(usize::try_from(possible).unwrap_or(wanted)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_files() {
        let cases = [(None, 4096), (Some(20_000), 4096), (Some(1024), 480), (Some(256), 96), (Some(64), 16)];
        for (limit, connections) in cases {
            assert_eq!(of_limit(4096, limit), connections, "{limit:?}");
        }
    }
}
