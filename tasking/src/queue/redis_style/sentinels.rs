//! Sentinels: they watch several servers of Redis and say which one takes writes now.
//!
//! The crate's `SentinelClient` confirms the role of each server with another connection and keeps no bound
//! per sentinel: one that hangs would hold up the failover. Here each has half a second.

use std::time::Duration;

use deadpool_redis::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisConnectionInfo,
    RedisError, RedisResult, cmd,
};
use entities::settings::Sentinel;

/// How long one sentinel may take to answer, before the next is asked.
const PATIENCE: Duration = Duration::from_millis(500);

/// All that are known.
#[derive(Debug)]
pub(super) struct Sentinels {
    known: Vec<Client>,
    master: String,
    /// The address of a server, but for host and port: it says whether TLS is used, and whom it trusts.
    like: ConnectionAddr,
}

impl Sentinels {
    /// Those of the settings. They are reached as the server `to` is: with TLS if it has TLS.
    pub(super) fn new(settings: &Sentinel, to: &ConnectionInfo) -> Sentinels {
        let mut login = RedisConnectionInfo::default();
        if let Some(username) = &settings.username {
            login = login.set_username(username);
        }
        if let Some(password) = &settings.password {
            login = login.set_password(&password.0);
        }
        let client = |(host, port): &(String, u16)| {
            let to =
                to.clone().set_addr(at(to.addr(), host.clone(), *port)).set_redis_settings(login.clone());
            Client::open(to).ok()
        };
        let known = settings.instances.iter().filter_map(client).collect();
        Sentinels { known, master: settings.master_name.clone(), like: to.addr().clone() }
    }

    /// Where the server is that takes writes, as the first sentinel says that replies.
    ///
    /// # Errors
    /// If none knows it: what the last one that failed has said.
    pub(super) async fn master(&self) -> RedisResult<ConnectionAddr> {
        let mut failure = RedisError::from((ErrorKind::Io, "there is no sentinel"));
        for sentinel in &self.known {
            let answer = tokio::time::timeout(PATIENCE, self.ask(sentinel)).await;
            match answer.unwrap_or_else(|_| Err(super::connection::no_answer())) {
                Ok(Some((host, port))) => return Ok(at(&self.like, host, port)),
                Ok(None) => {
                    let name = self.master.clone();
                    failure =
                        (ErrorKind::Io, "the sentinels do not know this REDIS_SENTINEL.MASTER_NAME", name)
                            .into();
                }
                Err(error) => {
                    tracing::debug!(%error, sentinel = %sentinel.get_connection_info().addr(), "the sentinel does not reply");
                    failure = error;
                }
            }
        }
        Err(failure)
    }

    async fn ask(&self, sentinel: &Client) -> RedisResult<Option<(String, u16)>> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE));
        let mut connection = sentinel.get_multiplexed_async_connection_with_config(&config).await?;
        cmd("SENTINEL").arg("get-master-addr-by-name").arg(&self.master).query_async(&mut connection).await
    }
}

/// The same kind of address at another place.
fn at(like: &ConnectionAddr, host: String, port: u16) -> ConnectionAddr {
    match like {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    }
}
