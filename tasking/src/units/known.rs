//! What of a batch of units is there already: the units, their bytes, and their sources.

use std::collections::BTreeMap;

use entities::{Pulp, db};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{Unit, sql};
use crate::ContentType;

/// How much of a declared unit is there.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// The unit, if it is known.
    pub(crate) content: Option<Uuid>,
    /// Whether it is in the version that is being created.
    pub(crate) is_present: bool,
    /// In the order of its declared artifacts, whether their bytes are stored as the unit's.
    pub(crate) stored: Vec<bool>,
    /// In the same order, whether the remote is known as a source at the declared URL.
    pub(crate) sourced: Vec<bool>,
}

impl State {
    /// The state of a unit of which nothing is known.
    pub(crate) fn unknown(unit: &Unit) -> State {
        let none = vec![false; unit.artifacts.len()];
        State { content: None, is_present: false, stored: none.clone(), sourced: none }
    }
}

#[derive(Debug, FromQueryResult)]
struct KnownUnit {
    ordinal: i64,
    content_id: Uuid,
    is_present: bool,
}

#[derive(Debug, FromQueryResult)]
struct KnownArtifact {
    ordinal: i64,
    /// The path and length of its bytes, if they are stored as the unit's.
    file: Option<String>,
    size: Option<i64>,
    is_sourced: bool,
}

const ARTIFACTS: &str = "
    SELECT declared.ordinality AS ordinal, artifact.file, artifact.size,
           source.found IS NOT NULL AS is_sourced
    FROM unnest($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY
        AS declared (content_id, relative_path, url, ordinality)
    CROSS JOIN LATERAL (
        SELECT pulp_id, artifact_id FROM content_artifact
        WHERE content_id = declared.content_id AND relative_path = declared.relative_path COLLATE \"C\"
        OFFSET 0) AS held
    LEFT JOIN artifact ON artifact.pulp_id = held.artifact_id
    LEFT JOIN LATERAL (
        SELECT true AS found FROM remote_artifact
        WHERE content_artifact_id = held.pulp_id AND remote_id = $4 AND url = declared.url
        OFFSET 0) AS source ON true";

/// The states of units whose references are resolved, in their order.
pub(crate) async fn states(
    pulp: &Pulp,
    domain: Uuid,
    repository: Uuid,
    remote: Uuid,
    units: &[&Unit],
) -> anyhow::Result<Vec<State>> {
    let db = &pulp.db;
    let mut states: Vec<State> = units.iter().map(|unit| State::unknown(unit)).collect();
    for (content, members) in by_type(units.iter().copied().enumerate()) {
        let rows: Vec<_> = members.iter().map(|index| &units[*index].row).collect();
        let values = [sql::rows(&rows)?, domain.into(), repository.into()];
        let statement = db::sql(&sql::look_up(content), values);
        for known in KnownUnit::find_by_statement(statement).all(db).await? {
            let state = &mut states[members[place(known.ordinal)?]];
            state.content = Some(known.content_id);
            state.is_present = known.is_present;
        }
    }
    let mut declared: (Vec<Uuid>, Vec<String>, Vec<String>) = Default::default();
    let mut places = Vec::new();
    for (index, (unit, state)) in units.iter().zip(&states).enumerate() {
        for (number, artifact) in unit.artifacts.iter().enumerate().filter(|_| state.content.is_some()) {
            declared.0.extend(state.content);
            declared.1.push(artifact.relative_path.clone());
            declared.2.push(artifact.url.clone().unwrap_or_default());
            places.push((index, number));
        }
    }
    if places.is_empty() {
        return Ok(states);
    }
    let values = [declared.0.into(), declared.1.into(), declared.2.into(), remote.into()];
    let found = KnownArtifact::find_by_statement(db::sql(ARTIFACTS, values)).all(db).await?;
    // What has no file has an empty path, which is that of a directory.
    let file = |known: &KnownArtifact| {
        (known.file.clone().unwrap_or_default(), known.size.unwrap_or_default().unsigned_abs())
    };
    let stored = pulp.storage.holds(found.iter().map(file)).await?;
    for (known, is_stored) in found.into_iter().zip(stored) {
        let (index, number) = places[place(known.ordinal)?];
        states[index].stored[number] = is_stored;
        states[index].sourced[number] = known.is_sourced || units[index].artifacts[number].url.is_none();
    }
    Ok(states)
}

/// Indices of units by type, in the order of the tables.
pub(super) fn by_type<'a>(
    units: impl Iterator<Item = (usize, &'a Unit)>,
) -> impl Iterator<Item = (ContentType, Vec<usize>)> {
    let mut types: BTreeMap<&str, (ContentType, Vec<usize>)> = BTreeMap::new();
    for (index, unit) in units {
        let (_, members) = types.entry(unit.content.table).or_insert((unit.content, Vec::new()));
        members.push(index);
    }
    types.into_values()
}

/// The index of an ordinal of Postgres, which counts from one.
pub(super) fn place(ordinal: i64) -> anyhow::Result<usize> {
    Ok(usize::try_from(ordinal - 1)?)
}
