//! What a remediation tool answers in the body of its 2xx: `{"remediation_id", "state", "ticket", "planned"}`, one object, or a
//! list of them for a batch. Every member may be missing; whatever else stands there is nobody's business. That the tool
//! took a finding at all is an answer too: `dispatched`.

use serde::Deserialize;
use serde_json::Value;

use crate::store::{Answer, Letter};

/// No text of an answer is longer.
const LONGEST: usize = 1_024;

#[derive(Deserialize)]
struct Said {
    remediation_id: Option<String>,
    state: Option<String>,
    ticket: Option<String>,
    planned: Option<String>,
}

/// What was said of the remediations of these letters, and how many answers could not be understood.
pub(super) fn answers(endpoint: &str, letters: &[(Letter, Vec<u8>)], body: &[u8]) -> (Vec<(String, Answer)>, u64) {
    let (said, unread) = understood(body);
    let mut answers = Vec::new();
    for (letter, event) in letters {
        let Ok(event) = serde_json::from_slice::<Value>(event) else { continue };
        let Some(remediation) = event["data"]["remediation"]["remediation_id"].as_str() else { continue };
        let ours = |said: &&Said| match &said.remediation_id {
            Some(id) => id == remediation,
            None => letters.len() == 1,
        };
        let said = said.iter().find(ours);
        let bounded = |text: &String| text.chars().take(LONGEST).collect::<String>();
        let part = |part: fn(&Said) -> &Option<String>| said.and_then(|said| part(said).as_ref().map(bounded));
        let answer = Answer {
            endpoint: endpoint.to_owned(),
            finding_id: letter.subject.clone(),
            state: part(|said| &said.state).unwrap_or_else(|| "dispatched".to_owned()),
            ticket: part(|said| &said.ticket),
            planned: part(|said| &said.planned),
        };
        answers.push((remediation.to_owned(), answer));
    }
    (answers, unread)
}

fn understood(body: &[u8]) -> (Vec<Said>, u64) {
    if body.trim_ascii().is_empty() {
        return (Vec::new(), 0);
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Array(all)) => {
            let count = all.len();
            let said: Vec<Said> = all.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect();
            let unread = (count - said.len()) as u64;
            (said, unread)
        }
        Ok(one @ Value::Object(_)) => serde_json::from_value(one).map_or((Vec::new(), 1), |said| (vec![said], 0)),
        _ => (Vec::new(), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample;

    fn letter() -> (Letter, Vec<u8>) {
        let event = sample("credential.default").unwrap();
        let letter = Letter { sequence: 1, id: event.id.clone(), subject: event.subject.clone() };
        (letter, event.numbered(1).to_string().into_bytes())
    }

    #[test]
    fn a_tool_says_what_it_does_and_when() {
        let (all, unread) = answers("tool", &[letter()], br#"{"state":"in_progress","ticket":"CHG-7","else":1}"#);
        let (id, answer) = &all[0];
        assert!(id.starts_with("r-"));
        assert_eq!((&*answer.state, answer.ticket.as_deref(), unread), ("in_progress", Some("CHG-7"), 0));
    }

    #[test]
    fn whatever_it_says_it_took_the_finding() {
        for (body, expected) in
            [("", 0), ("ok", 1), ("7", 1), (r#"{"state":7}"#, 1), (r#"{"remediation_id":"r-x","state":"done"}"#, 0)]
        {
            let (all, unread) = answers("tool", &[letter()], body.as_bytes());
            assert_eq!((&*all[0].1.state, unread), ("dispatched", expected), "{body}");
        }
        let long = format!(r#"{{"state":"{}"}}"#, "x".repeat(10_000));
        assert_eq!(answers("tool", &[letter()], long.as_bytes()).0[0].1.state.len(), LONGEST);
    }
}
