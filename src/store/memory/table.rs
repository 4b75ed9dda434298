//! One collection, open for change: lookups, insertion, and what holds do to rows.

use super::{Entry, Shelf};
use crate::access::level::Level;
use crate::access::organisation::OrganisationKey;
use crate::access::permission::World;
use crate::access::terms::Terms;
use crate::stix::head::Spec;
use crate::stix::json::Digest;
use crate::store::admission::{Addition, Held, Latest, Table};
use crate::store::hold::{self, Hold, Reach, Rows, Span, Subject, Until, Version};
use crate::store::{Declared, StoreError};
use crate::taxii::timestamp::Timestamp;
use uuid::Uuid;

impl Table for Shelf {
    /// There may be: here everything is asked of every id. So the engines agree only if what others leave out
    /// makes no difference.
    fn knows(&mut self, _: &str) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn owner(&mut self, id: &str) -> Result<Option<OrganisationKey>, StoreError> {
        Ok(self.owners.get(id).copied())
    }

    fn version(&mut self, id: &str, spec: Spec, instant: &str, world: World) -> Result<Option<Held>, StoreError> {
        let is_it = |entry: &&Entry| entry.id == id && entry.spec == spec && entry.instant() == Some(instant);
        let rows: Vec<&Entry> = self.entries.iter().filter(is_it).collect();
        let visible = rows.iter().find(|entry| self.is_in(world, entry));
        Ok(visible.or(rows.first()).map(|entry| entry.held(visible.is_some())))
    }

    fn unversioned(&mut self, id: &str, world: World) -> Result<Vec<Held>, StoreError> {
        let is_it = |entry: &&Entry| entry.id == id && entry.version.is_none() && self.is_in(world, entry);
        Ok(self.entries.iter().filter(is_it).map(|entry| entry.held(true)).collect())
    }

    fn latest(&mut self, id: &str, spec: Spec, world: World) -> Result<Option<Latest>, StoreError> {
        let versions =
            self.entries.iter().filter(|entry| entry.id == id && entry.spec == spec && self.is_in(world, entry));
        let latest = versions.filter(|entry| entry.version.is_some()).max_by_key(|entry| entry.instant());
        Ok(latest.map(|entry| {
            let Entry { level, ends, date_added, .. } = *entry;
            Latest { lineage: entry.lineage.clone(), level, ends, added: date_added }
        }))
    }

    fn definitions(
        &mut self,
        id: &str,
        world: World,
        speakers: &[OrganisationKey],
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let said = |entry: &&Entry| {
            let meant = |speaker: &OrganisationKey| self.meant.contains(&(id.to_owned(), entry.content, *speaker));
            speakers.iter().any(|speaker| entry.owner == *speaker || meant(speaker))
        };
        let visible = self.entries.iter().filter(|entry| entry.id == id && self.is_in(world, entry));
        Ok(visible.filter(said).map(|entry| entry.text.clone()).collect())
    }

    fn keep_meant(&mut self, id: &str, content: Digest, by: OrganisationKey) -> Result<(), StoreError> {
        self.meant.insert((id.to_owned(), content, by));
        Ok(())
    }

    fn departed(&mut self, id: &str) -> Result<Option<(String, Terms)>, StoreError> {
        Ok(self.departed.get(id).cloned())
    }

    fn newest(&mut self) -> Result<Timestamp, StoreError> {
        Ok(self.newest)
    }

    fn insert(&mut self, additions: &[Addition<'_>]) -> Result<(), StoreError> {
        additions.iter().for_each(|addition| self.insert_one(addition));
        Ok(())
    }
}

impl Shelf {
    fn insert_one(&mut self, addition: &Addition<'_>) {
        let head = &addition.candidate.head;
        if head.version.is_some() && !head.predefined {
            let owner = self.owners.entry(head.id.to_string()).or_insert(addition.owner);
            if addition.candidate.declared == Declared::Submitters {
                *owner = addition.owner;
            }
        }
        self.newest = addition.date_added;
        self.edition += 1;
        self.entries.push(Entry {
            date_added: addition.date_added,
            id: head.id.to_string(),
            object_type: head.id.object_type().to_owned(),
            spec: head.spec,
            version: head.version.as_ref().map(|version| (version.to_string(), version.instant().to_owned())),
            level: addition.level,
            ends: addition.ends,
            owner: addition.owner,
            reach: addition.reach.clone(),
            first: addition.date_added,
            text: addition.candidate.text.to_vec(),
            lineage: addition.candidate.lineage.clone(),
            content: addition.candidate.content,
        });
    }
}

impl Rows for Shelf {
    fn hold(&mut self, id: Uuid) -> Result<Option<Hold>, StoreError> {
        Ok(self.holds.iter().find(|hold| hold.id == id).cloned())
    }

    fn due(&mut self, now: Timestamp, most: usize) -> Result<Vec<Hold>, StoreError> {
        let is_due = |hold: &&Hold| hold.due().is_some_and(|due| due <= now);
        let mut due: Vec<Hold> = self.holds.iter().filter(is_due).cloned().collect();
        due.sort_by_key(Hold::due);
        due.truncate(most);
        Ok(due)
    }

    fn set_due(&mut self, id: Uuid, due: Timestamp) -> Result<(), StoreError> {
        let hold = self.holds.iter_mut().find(|hold| hold.id == id);
        hold.into_iter().for_each(|hold| hold.until = Until::Time(due));
        Ok(())
    }

    fn is_held(&mut self) -> Result<bool, StoreError> {
        Ok(self.holds.iter().any(|hold| hold.object().is_some()))
    }

    fn holds_on(&mut self, object: &str) -> Result<Vec<Hold>, StoreError> {
        Ok(self.holds.iter().filter(|hold| hold.object() == Some(object)).cloned().collect())
    }

    fn keep_hold(&mut self, hold: &Hold) -> Result<(), StoreError> {
        self.holds.push(hold.clone());
        Ok(())
    }

    fn forget_hold(&mut self, id: Uuid) -> Result<(), StoreError> {
        self.holds.retain(|hold| hold.id != id);
        self.spans.remove(&id);
        self.edition += 1;
        Ok(())
    }

    fn awaiting(&mut self, definitions: &[&str], of: Option<OrganisationKey>) -> Result<Vec<Hold>, StoreError> {
        let is_own = |hold: &&Hold| {
            let is_it =
                |entry: &&Entry| matches!(hold.subject, Subject::Version { added, .. } if added == entry.date_added);
            of.is_none() || self.entries.iter().find(is_it).map(|entry| entry.owner) == of
        };
        let waits = |hold: &&Hold| match &hold.until {
            Until::Marking { ids, .. } => ids.iter().any(|id| definitions.contains(&id.as_str())),
            Until::Time(_) | Until::Release { .. } => false,
        };
        Ok(self.holds.iter().filter(waits).filter(is_own).cloned().collect())
    }

    fn spans(&mut self) -> Result<Vec<(Hold, Span)>, StoreError> {
        let span = |hold: &Hold| self.spans.get(&hold.id).map(|span| (hold.clone(), *span));
        Ok(self.holds.iter().filter_map(span).collect())
    }

    fn set_span(&mut self, hold: &Hold, span: Span) -> Result<(), StoreError> {
        self.spans.insert(hold.id, span);
        self.edition += 1;
        Ok(())
    }

    fn rows(&mut self, span: Span, most: usize) -> Result<Vec<hold::Held>, StoreError> {
        let rows = self.entries.iter().filter(|entry| span.covers(entry.date_added)).take(most);
        let held = |entry: &Entry| {
            let Entry { date_added: added, owner, level, ends, .. } = *entry;
            hold::Held { added, version: entry.first.micros(), owner, level, ends, reach: entry.reach.clone() }
        };
        Ok(rows.map(held).collect())
    }

    fn versions(&mut self, object: &str, first: Option<Timestamp>) -> Result<Vec<Version>, StoreError> {
        let is_meant = |entry: &&Entry| first.map_or(entry.id == object, |first| entry.first == first);
        let firsts = self.entries.iter().filter(|entry| entry.first == entry.date_added).filter(is_meant);
        let version = |first: &Entry| Version {
            id: first.id.clone(),
            owner: first.owner,
            level: first.level,
            ends: first.ends,
            first: first.first,
            rows: self.rows_of(first.first).map(|row| (row.date_added, row.reach.clone())).collect(),
        };
        Ok(firsts.map(version).collect())
    }

    fn set_reach(&mut self, row: Timestamp, reach: &Reach) -> Result<(), StoreError> {
        self.entries.iter_mut().filter(|entry| entry.date_added == row).for_each(|entry| entry.reach = reach.clone());
        self.edition += 1;
        Ok(())
    }

    fn copy_row(&mut self, row: Timestamp, to: Timestamp, reach: &Reach) -> Result<(), StoreError> {
        let row = self.entries.iter().find(|entry| entry.date_added == row);
        let copy = row.map(|row| Entry { date_added: to, reach: reach.clone(), ..row.clone() });
        self.entries.extend(copy);
        self.edition += 1;
        self.raise_newest(to)
    }

    fn text(&mut self, first: Timestamp) -> Result<Vec<u8>, StoreError> {
        Ok(self.rows_of(first).next().map(|row| row.text.clone()).unwrap_or_default())
    }

    fn set_terms(&mut self, _object: &str, terms: &[(Timestamp, Level, Option<Timestamp>)]) -> Result<(), StoreError> {
        for (first, level, ends) in terms {
            let rows = self.entries.iter_mut().filter(|entry| entry.first == *first);
            rows.for_each(|entry| (entry.level, entry.ends) = (*level, *ends));
        }
        self.edition += 1;
        Ok(())
    }

    fn raise_newest(&mut self, to: Timestamp) -> Result<(), StoreError> {
        self.newest = self.newest.max(to);
        Ok(())
    }
}
