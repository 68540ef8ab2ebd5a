//! The settings the parts are started with: what the user has set, and what makes the rest private.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use entities::settings::{Source, WorkerStyle};

/// What starts the names of variables that are settings.
const PREFIX: &str = "PULP_";

/// The environment of Pulp's processes.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// Names of settings that come from a file or the environment.
    given: BTreeSet<String>,
    /// Which tasking system was chosen.
    pub(crate) worker_style: WorkerStyle,
    /// Whether the user's variables are kept from the parts.
    private: bool,
    variables: Vec<(String, String)>,
}

impl Environment {
    /// Looks at the user's settings; `private` ones ignore them.
    ///
    /// # Errors
    /// If a setting is wrong, as for every process of Pulp.
    pub(crate) fn new(private: bool) -> anyhow::Result<Environment> {
        let mut given = BTreeSet::new();
        let mut worker_style = WorkerStyle::Redis;
        if !private {
            let loaded = entities::settings::load()?;
            let named = loaded.shown.into_iter().filter(|setting| setting.source != Source::Default);
            given.extend(named.map(|setting| setting.name));
            worker_style = loaded.settings.worker_style;
        }
        Ok(Environment { given, worker_style, private, variables: Vec::new() })
    }

    /// Whether the user has set `name`, or something in it.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.given.iter().any(|given| {
            given.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// Whether the user has chosen a database.
    pub(crate) fn has_database(&self) -> bool {
        self.is_given("DATABASES")
    }

    /// Whether the user has chosen a Redis.
    pub(crate) fn has_redis(&self) -> bool {
        self.is_given("REDIS_URL") || self.is_given("REDIS_HOST")
    }

    /// Adds variables as they are.
    pub(crate) fn extend(&mut self, variables: Vec<(String, String)>) {
        self.variables.extend(variables);
    }

    /// Sets a setting, unless the user has.
    pub(crate) fn set_default(&mut self, name: &str, value: impl Into<String>) {
        if !self.is_given(name) {
            self.variables.push((format!("{PREFIX}{name}"), value.into()));
        }
    }

    /// This executable with `arguments`, in `directory`.
    ///
    /// # Errors
    /// If the executable cannot be found any more.
    pub(crate) fn command(&self, directory: &Path, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).current_dir(directory);
        if self.private {
            let theirs = |name: &std::ffi::OsString| name.to_string_lossy().starts_with(PREFIX);
            for (name, _) in std::env::vars_os().filter(|(name, _)| theirs(name)) {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

/// `address` as somebody on this machine reaches it.
pub(crate) fn url_of(address: SocketAddr) -> String {
    match address.ip().is_unspecified() {
        true => format!("http://localhost:{}", address.port()),
        false => format!("http://{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_has_set_is_left_alone() {
        let given = ["DATABASES.default.HOST", "REDIS_URL", "SECRET_KEY"].map(String::from).into();
        let mut environment =
            Environment { given, worker_style: WorkerStyle::Redis, private: false, variables: Vec::new() };
        assert!(environment.has_database() && environment.has_redis());
        environment.set_default("SECRET_KEY", "ours");
        environment.set_default("CONTENT_ORIGIN", "http://localhost:1");
        assert_eq!(environment.variables, [("PULP_CONTENT_ORIGIN".into(), "http://localhost:1".into())]);
    }

    #[test]
    fn an_address_of_all_interfaces_is_reached_as_localhost() {
        assert_eq!(url_of("0.0.0.0:24817".parse().unwrap()), "http://localhost:24817");
        assert_eq!(url_of("[::1]:80".parse().unwrap()), "http://[::1]:80");
    }
}
