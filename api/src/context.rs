//! What all requests of a process share.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use entities::Pulp;
use http::HeaderMap;
use tasking::{Dispatcher, RedisPing, RepositoryTypes, Tasks};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::auth::{Basic, Scheme, User};
use crate::{Component, Error, PluginInfo, Result};

/// What all requests of a process share; cheap to clone.
#[derive(Clone, Debug)]
pub struct Context(Arc<Shared>);

/// The fields of a [`Context`].
#[derive(Debug)]
pub struct Shared {
    /// Settings, database, storage and keys.
    pub pulp: Pulp,
    /// Accepts tasks.
    pub dispatcher: Dispatcher,
    /// The types of repositories of the plugins.
    pub repository_types: RepositoryTypes,
    /// Core and the plugins.
    pub components: Vec<PluginInfo>,
    /// Redis, if there is one; only its presence is asked for here.
    pub redis: Option<RedisPing>,
    /// How many lists may be read at a time: a part of the sessions, so that slow lists leave the others
    /// some.
    lists: Semaphore,
    /// The ways to log in, in the order in which they are tried.
    pub(crate) schemes: Vec<Box<dyn Scheme>>,
    /// The API document as JSON.
    pub(crate) document: Bytes,
}

impl Context {
    /// Makes everything once. Connects to nothing yet.
    pub fn new(pulp: Pulp, plugins: &[Component], tasks: &Tasks, document: Bytes) -> anyhow::Result<Context> {
        let redis = RedisPing::new(&pulp.settings)?;
        let sessions = pulp.settings.database_connections as usize;
        let mut components = vec![PluginInfo::CORE];
        components.extend(plugins.iter().map(|plugin| plugin.info));
        Ok(Context(Arc::new(Shared {
            dispatcher: Dispatcher::new(pulp.clone()),
            pulp,
            repository_types: tasks.repositories().clone(),
            components,
            redis,
            lists: Semaphore::new(sessions.div_ceil(2)),
            schemes: vec![Box::new(Basic::default())],
            document,
        })))
    }
}

/// How long a list waits for others to end.
const TURN: Duration = Duration::from_secs(10);

impl Context {
    /// Waits until few enough lists are read; the turn ends with the value.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if that takes too long.
    pub(crate) async fn turn_to_list(&self) -> Result<SemaphorePermit<'_>> {
        match tokio::time::timeout(TURN, self.lists.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Error::Unavailable("Too many lists are being read.".to_owned())),
        }
    }

    /// The user of a request, by the first scheme whose credentials it carries.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] without credentials, [`Error::BadCredentials`] with wrong ones.
    pub async fn authenticate(&self, headers: &HeaderMap, client: Option<IpAddr>) -> Result<User> {
        for scheme in &self.schemes {
            if let Some(user) = scheme.authenticate(headers, client, &self.pulp.db).await? {
                return Ok(user);
            }
        }
        Err(Error::Unauthenticated)
    }
}

impl Deref for Context {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
