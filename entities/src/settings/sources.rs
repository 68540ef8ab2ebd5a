//! The sources of settings: files first, then the environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use super::values::{Source, Values};

/// What starts the name of every variable.
const PREFIX: &str = "PULP_";

/// The variable that names the settings files.
const FILES: &str = "PULP_SETTINGS";

/// Reads the files that the environment names, or else those of `directory`, then the environment.
///
/// # Errors
/// If a file cannot be read or is none of settings; badly named or typed values become problems of the
/// result.
pub(super) fn read(environment: &[(OsString, OsString)], directory: &Path) -> anyhow::Result<Values> {
    let mut values = Values::new();
    for path in files(environment, directory)? {
        let source = Source::File(path.clone());
        for (name, value) in parse(&path)? {
            values.take(&name, value, &source);
        }
    }
    for (name, value) in environment {
        let Some(setting) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
            continue;
        };
        let name = format!("{PREFIX}{setting}");
        if name == FILES {
            continue;
        }
        match value.to_str() {
            Some(text) => {
                values.take(&setting.replace("__", "."), text.into(), &Source::Environment(name));
            }
            None => values.problems.push(format!("the environment variable {name} is not UTF-8 text")),
        }
    }
    if !values.strangers.is_empty() {
        values.strangers.sort();
        let line = format!("not settings, ignored: {}", values.strangers.join(", "));
        values.warnings.push(line);
    }
    values.derive();
    Ok(values)
}

/// The settings files, weakest first.
fn files(environment: &[(OsString, OsString)], directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let named = environment.iter().find(|(name, _)| name == FILES).map(|(_, value)| value);
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        let named = named.to_str().with_context(|| format!("{FILES} is not UTF-8 text"))?;
        return Ok(named.split([',', ';']).map(|path| PathBuf::from(path.trim())).collect());
    }
    let there: Vec<PathBuf> = ["settings.yaml", "settings.yml", "settings.toml"]
        .iter()
        .map(|name| directory.join(name))
        .filter(|path| path.exists())
        .collect();
    let python = directory.join("settings.py");
    match there.as_slice() {
        [] if python.exists() => bail!(python_is_not_read(&python)),
        [] | [_] => Ok(there),
        [first, second, ..] => bail!(
            "both {} and {} exist (keep one, or name the files to read in {FILES})",
            first.display(),
            second.display()
        ),
    }
}

fn parse(path: &Path) -> anyhow::Result<Map<String, Value>> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if extension == "py" {
        bail!(python_is_not_read(path));
    }
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the settings file {}", path.display()))?;
    let parsed = match extension {
        "toml" => toml::from_str(&text).map_err(anyhow::Error::from),
        "yaml" | "yml" if text.trim().is_empty() => Ok(None),
        "yaml" | "yml" => serde_saphyr::from_str(&text).map_err(anyhow::Error::from),
        _ => bail!("the settings file {} is neither .yaml nor .toml", path.display()),
    };
    let parsed: Option<Map<String, Value>> =
        parsed.with_context(|| format!("the settings file {} cannot be parsed", path.display()))?;
    Ok(parsed.unwrap_or_default())
}

fn python_is_not_read(path: &Path) -> String {
    format!(
        "the settings file {} is Python, which is not run here: write its values to {} as YAML, as in \
         `CONTENT_ORIGIN: \"https://pulp.example.com\"`",
        path.display(),
        path.with_extension("yaml").display()
    )
}
