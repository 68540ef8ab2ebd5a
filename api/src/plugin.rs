//! What a plugin brings to the REST API.

use crate::Endpoint;

/// How a plugin is called in the status and in the API document.
#[derive(Clone, Copy, Debug)]
pub struct PluginInfo {
    /// Label of the component, such as `file`.
    pub component: &'static str,
    /// The level of Pulp's API that it implements.
    pub version: &'static str,
    /// Name of the Python package that clients know, such as `pulp-file`.
    pub package: &'static str,
    /// Name of the Python module that clients know, such as `pulp_file.app`.
    pub module: &'static str,
}

impl PluginInfo {
    /// Core itself.
    pub const CORE: PluginInfo = PluginInfo {
        component: "core",
        version: entities::API_LEVEL,
        package: "pulpcore",
        module: "pulpcore.app",
    };
}

/// The REST API of a plugin.
pub trait ApiPlugin: Send + Sync {
    /// Its name and version.
    fn info(&self) -> PluginInfo;

    /// All its endpoints. Called after the kinds of all plugins are known.
    fn endpoints(&self) -> Vec<Endpoint>;
}
