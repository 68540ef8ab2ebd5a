//! `REDIS_SENTINEL`: Redis found through sentinels.

use super::Masked;
use super::types::host_and_port;
use super::values::Values;

/// The sentinels that monitor Redis, as rq configures them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentinel {
    /// `INSTANCES`: host and port of each sentinel.
    pub instances: Vec<(String, u16)>,
    /// `MASTER_NAME`: name of the master monitored by the sentinels.
    pub master_name: String,
    /// `SENTINEL_KWARGS["username"]`: the user at the sentinels.
    pub username: Option<String>,
    /// `SENTINEL_KWARGS["password"]`: the password at the sentinels.
    pub password: Option<Masked>,
}

/// The sentinels, if there are any.
///
/// # Errors
/// If something is missing, or Redis has an address of its own beside them.
pub(super) fn sentinel(values: &Values) -> Result<Option<Sentinel>, String> {
    let of = |name: &str| values.text(&format!("REDIS_SENTINEL.{name}"));
    let some = |name: &str| Some(of(name)).filter(|text| !text.is_empty());
    let instances: Vec<String> = values.get("REDIS_SENTINEL.INSTANCES").unwrap_or_default();
    let master_name = of("MASTER_NAME");
    if instances.is_empty() && master_name.is_empty() {
        return Ok(None);
    }
    if instances.is_empty() || master_name.is_empty() {
        return Err("REDIS_SENTINEL needs both INSTANCES and MASTER_NAME".to_owned());
    }
    for name in ["REDIS_URL", "REDIS_HOST"] {
        if !values.text(name).is_empty() {
            return Err(format!("REDIS_SENTINEL and {name} are both set (keep one)"));
        }
    }
    let instances = instances.iter().filter_map(|instance| host_and_port(instance)).collect();
    let (username, password) = (some("SENTINEL_KWARGS.username"), some("SENTINEL_KWARGS.password"));
    Ok(Some(Sentinel { instances, master_name, username, password: password.map(Masked) }))
}
