//! What `pulpcore diffsettings` shows: every setting, its value and its source, secrets masked.

use std::fmt;

use serde_json::Value;

use super::urls::{MASK, hide_passwords};
use super::values::{Leaf, Source, Values};

/// One setting as it may be shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The dotted path.
    pub name: String,
    /// The value, masked if it is secret.
    pub value: Value,
    /// Where it came from.
    pub source: Source,
    /// Whether it is supported; it is ignored otherwise.
    pub supported: bool,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = if self.supported { "" } else { ", ignored" };
        write!(f, "{} = {}  # {}{note}", self.name, self.value, self.source)
    }
}

/// All settings in the order of their names.
pub(super) fn all(values: &Values) -> Vec<Shown> {
    let shown = |(name, leaf): (&String, &Leaf)| Shown {
        name: name.clone(),
        value: mask(name, leaf),
        source: leaf.source.clone(),
        supported: leaf.setting.is_some(),
    };
    values.leaves.iter().map(shown).collect()
}

/// Secrets as asterisks; the password alone where the secret is a URL. What nothing acts on is masked by its
/// name, since it may be a whole structure.
fn mask(name: &str, leaf: &Leaf) -> Value {
    let Some(setting) = leaf.setting else {
        let suspect = ["KEY", "PASSWORD", "SECRET", "TOKEN", "CREDENTIAL", "CONNECTION_STRING"];
        return match &leaf.value {
            Value::Null | Value::Bool(_) | Value::Number(_) => leaf.value.clone(),
            Value::String(text)
                if !text.starts_with(['{', '[', '@']) && !suspect.iter().any(|part| name.contains(part)) =>
            {
                hide_passwords(text).into()
            }
            _ => MASK.into(),
        };
    };
    match &leaf.value {
        Value::String(text) if text.is_empty() || name == "REDIS_URL" || !setting.secret => {
            hide_passwords(text).into()
        }
        Value::String(_) => MASK.into(),
        other => other.clone(),
    }
}
