//! Bodies without what differs from run to run: ids, times, ports, hosts.

use std::collections::BTreeMap;

use integration_tests::Population;
use serde_json::Value;
use uuid::Uuid;

/// Fields whose values belong to one run.
const OF_A_RUN: [&str; 3] = ["last_heartbeat", "logging_cid", "storage"];

/// What ids and addresses are called in the record.
#[derive(Debug)]
pub(crate) struct Names {
    addresses: Vec<(String, &'static str)>,
    ids: BTreeMap<Uuid, usize>,
    counts: BTreeMap<String, usize>,
}

impl Names {
    /// Names for the addresses of an installation.
    pub(crate) fn of(population: &Population) -> Names {
        let Population { pulp, upstream } = population;
        let addresses = vec![
            (upstream.url.clone(), "<upstream>/"),
            (pulp.client.base.clone(), "<api>"),
            (pulp.content.base.clone(), "<content>"),
        ];
        Names { addresses, ids: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// Numbers the object of an href or a PRN among those of its kind, unless it is known.
    pub(crate) fn learn(&mut self, reference: &str) {
        for (start, id) in ids(reference) {
            if !self.ids.contains_key(&id) {
                let count = self.counts.entry(reference[..start].to_owned()).or_default();
                *count += 1;
                self.ids.insert(id, *count);
            }
        }
    }

    /// A text with names for ids, addresses and times.
    pub(crate) fn text(&self, text: &str) -> String {
        if chrono::DateTime::parse_from_rfc3339(text).is_ok() {
            return "<time>".to_owned();
        }
        if text.split_once('@').is_some_and(|(pid, _)| pid.parse::<u32>().is_ok()) {
            return "<pid>@<host>".to_owned();
        }
        let mut text = text.to_owned();
        for (start, id) in ids(&text.clone()).into_iter().rev() {
            let name = self.ids.get(&id).map_or_else(|| "<id>".to_owned(), |number| format!("<{number}>"));
            text.replace_range(start..start + 36, &name);
        }
        for (address, name) in &self.addresses {
            text = text.replace(address, name);
        }
        text
    }
}

/// A body with names instead of what differs from run to run.
pub(crate) fn normal(body: &Value, names: &Names) -> Value {
    match body {
        Value::String(text) => names.text(text).into(),
        Value::Array(items) => items.iter().map(|item| normal(item, names)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match OF_A_RUN.contains(&name.as_str()) && !value.is_null() {
                true => (name.clone(), "<of this run>".into()),
                false => (name.clone(), normal(value, names)),
            })
            .collect(),
        other => other.clone(),
    }
}

/// The ids in a text, with their places.
fn ids(text: &str) -> Vec<(usize, Uuid)> {
    let starts = 0..text.len().saturating_sub(35);
    let hyphenated = |start: usize| text.get(start..start + 36).filter(|part| part.matches('-').count() == 4);
    starts.filter_map(|start| Some((start, hyphenated(start)?.parse().ok()?))).collect()
}
