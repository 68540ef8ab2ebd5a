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

/// What the REST API takes of a plugin.
#[derive(Clone, Debug)]
pub struct Component {
    /// The plugin's name and version.
    pub info: PluginInfo,
    /// The plugin's endpoints.
    pub endpoints: Vec<Endpoint>,
}
