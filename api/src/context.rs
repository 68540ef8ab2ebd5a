//! What all requests of a process share.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use entities::Pulp;
use tasking::{Dispatcher, RedisPing};

use crate::auth::Credentials;
use crate::{Component, PluginInfo};

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
    /// Core and the plugins.
    pub components: Vec<PluginInfo>,
    /// Redis, if there is one; only its presence is asked for here.
    pub redis: Option<RedisPing>,
    pub(crate) credentials: Credentials,
    /// The API document as JSON.
    pub(crate) document: Bytes,
}

impl Context {
    /// Makes everything once. Connects to nothing yet.
    pub fn new(pulp: Pulp, plugins: &[Component], document: Bytes) -> anyhow::Result<Context> {
        let redis = RedisPing::new(&pulp.settings)?;
        let mut components = vec![PluginInfo::CORE];
        components.extend(plugins.iter().map(|plugin| plugin.info));
        Ok(Context(Arc::new(Shared {
            dispatcher: Dispatcher::new(pulp.clone()),
            pulp,
            components,
            redis,
            credentials: Credentials::default(),
            document,
        })))
    }
}

impl Deref for Context {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
