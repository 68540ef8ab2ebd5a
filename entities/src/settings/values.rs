//! Values on their way to `Settings`: every setting with its checked value and the source it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::known::{KNOWN, is_known};
use super::refused;
use super::table::{Default, Setting, TABLE};
use super::types::Type;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// No source gives a value.
    Default,
    /// A settings file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File(path) => write!(f, "file {}", path.display()),
            Source::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// One value. Nested settings are values of their own, under a dotted path.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// The row of the table; `None` for a setting that is not supported.
    pub setting: Option<&'static Setting>,
    /// The checked value.
    pub value: Value,
    /// Where it came from.
    pub source: Source,
}

/// All values, by dotted path.
#[derive(Clone, Debug)]
pub(super) struct Values {
    /// The values.
    pub leaves: BTreeMap<String, Leaf>,
    /// What is worth a warning; each is a line.
    pub warnings: Vec<String>,
    /// What stops the start; each is a line.
    pub problems: Vec<String>,
    /// Unknown names of the environment, reported in one line.
    pub strangers: Vec<String>,
}

impl Values {
    /// The defaults.
    pub(super) fn new() -> Values {
        let mut values = Values {
            leaves: BTreeMap::new(),
            warnings: Vec::new(),
            problems: Vec::new(),
            strangers: Vec::new(),
        };
        values.add_defaults("", TABLE);
        values
    }

    fn add_defaults(&mut self, prefix: &str, table: &'static [Setting]) {
        for setting in table {
            let path = join(prefix, setting.name);
            if let Type::Table(nested) = setting.kind {
                self.add_defaults(&path, nested);
                continue;
            }
            let value = match setting.default {
                Default::Null | Default::Deployed(_) => Value::Null,
                Default::Bool(value) => value.into(),
                Default::Integer(value) => value.into(),
                Default::Text(value) => value.into(),
                Default::List(values) => values.into(),
            };
            self.leaves.insert(path, Leaf { setting: Some(setting), value, source: Source::Default });
        }
    }

    /// Takes the settings that a source gives at the top level or, in an environment variable's nested name,
    /// deeper.
    pub(super) fn take(&mut self, path: &str, value: Value, source: &Source) {
        let Some((path, setting)) = find(path) else {
            self.take_unknown(path, value, source);
            return;
        };
        let value = match (value, source) {
            (Value::String(text), Source::Environment(_)) => {
                if !text.starts_with("@merge") && matches!(setting.kind, Type::Table(_)) {
                    self.forget(&path);
                }
                setting.kind.parse(&text)
            }
            (value, _) => value,
        };
        self.take_checked(path, setting, value, source);
    }

    fn take_checked(&mut self, path: String, setting: &'static Setting, value: Value, source: &Source) {
        if value.is_null() && setting.default == Default::Null {
            if !matches!(setting.kind, Type::Table(_)) {
                self.insert(path, Some(setting), value, source);
            }
            return;
        }
        let Some(value) = setting.kind.check(&value) else {
            let shown = if setting.secret { String::new() } else { format!(", not {value}") };
            self.problems.push(format!("{path} ({source}) must be {}{shown}", setting.kind.wanted()));
            return;
        };
        match (value, setting.kind) {
            (Value::Object(mut nested), Type::Table(_)) => {
                let whole = nested.remove("dynaconf_merge").is_none() && !path.contains('.');
                if whole && matches!(source, Source::File(_)) {
                    self.forget(&path);
                }
                for (key, value) in nested {
                    self.take(&join(&path, &key), value, source);
                }
            }
            (value, _) => self.insert(path, Some(setting), value, source),
        }
    }

    fn take_unknown(&mut self, path: &str, value: Value, source: &Source) {
        if is_known(path) {
            if let Some(changed) = refused::changes(path, &value) {
                self.problems.push(format!(
                    "{path} ({source}) is not supported, and would change {changed}: remove it once you have made \
                     sure that you can do without"
                ));
            }
            self.warnings.push(format!("{path} ({source}) is ignored (not supported)"));
            self.insert(path.to_owned(), None, value, source);
            return;
        }
        let hint = nearest(path).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        match source {
            Source::Environment(name) => {
                let hint = nearest(path).map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
                self.strangers.push(format!("{name}{hint}"));
            }
            _ => self.problems.push(format!("{path} ({source}) is not a setting{hint}")),
        }
    }

    fn insert(&mut self, path: String, setting: Option<&'static Setting>, value: Value, source: &Source) {
        self.leaves.insert(path, Leaf { setting, value, source: source.clone() });
    }

    /// Sets what lies below a path back to its defaults: a table given as a whole replaces that of a weaker
    /// source.
    fn forget(&mut self, path: &str) {
        let inside = format!("{path}.");
        self.leaves.retain(|name, _| !name.starts_with(&inside));
        if let Some((path, Setting { kind: Type::Table(table), .. })) = find(path) {
            self.add_defaults(&path, table);
        }
    }

    /// Gives the directories below `DEPLOY_ROOT` their default.
    pub(super) fn derive(&mut self) {
        let root = self.text("DEPLOY_ROOT");
        for leaf in self.leaves.values_mut() {
            if let Some(Setting { default: Default::Deployed(name), .. }) = leaf.setting
                && leaf.source == Source::Default
            {
                leaf.value = format!("{}/{name}", root.trim_end_matches('/')).into();
            }
        }
    }

    /// The value at a path as `T`.
    ///
    /// # Errors
    /// If there is none, or it does not fit.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let value = self.leaves.get(path).map(|leaf| leaf.value.clone()).unwrap_or_default();
        serde_json::from_value(value).map_err(|error| anyhow::anyhow!("{path}: {error}"))
    }

    /// The value at a path as text; empty if there is none.
    pub(super) fn text(&self, path: &str) -> String {
        match self.leaves.get(path).map(|leaf| &leaf.value) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// The value at a path as a span of time.
    pub(super) fn seconds(&self, path: &str) -> anyhow::Result<Duration> {
        Duration::try_from_secs_f64(self.get(path)?).map_err(|error| anyhow::anyhow!("{path}: {error}"))
    }

    /// The number of minutes at a path as a span of time.
    pub(super) fn minutes(&self, path: &str) -> anyhow::Result<Duration> {
        Ok(Duration::from_secs(60 * self.get::<u64>(path)?))
    }

    /// The value at a path with its source, if a source gave one.
    pub(super) fn given(&self, path: &str) -> Option<&Leaf> {
        self.leaves.get(path).filter(|leaf| !leaf.value.is_null() && leaf.source != Source::Default)
    }
}

/// The row of a dotted path, and the path as the table writes it. Only the first name must be in capitals:
/// Pulp's own examples write the keys below in either case.
fn find(path: &str) -> Option<(String, &'static Setting)> {
    let mut names = path.split('.');
    let first = names.next()?;
    let mut setting = TABLE.iter().find(|setting| setting.name == first)?;
    let mut found = setting.name.to_owned();
    for name in names {
        let Type::Table(nested) = setting.kind else {
            return None;
        };
        setting = nested.iter().find(|setting| setting.name.eq_ignore_ascii_case(name))?;
        found = join(&found, setting.name);
    }
    Some((found, setting))
}

/// The most similar name among all known ones, if one is similar.
fn nearest(path: &str) -> Option<String> {
    let mut names = KNOWN.iter().map(|name| (*name).to_owned()).collect();
    collect("", TABLE, &mut names);
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&name.to_uppercase(), &path.to_uppercase()), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 5)
        .map(|(_, name)| name)
}

fn collect(prefix: &str, table: &[Setting], names: &mut Vec<String>) {
    for setting in table {
        let path = join(prefix, setting.name);
        if let Type::Table(nested) = setting.kind {
            collect(&path, nested, names);
        }
        names.push(path);
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}
