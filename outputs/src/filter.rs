//! The conditions of `--where`.
//!
//! ```text
//! filter    = all { "or" all }
//! all       = one { "and" one }
//! one       = "(" filter ")" | COLUMN operator value
//! operator  = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "contains"
//! value     = "text" | 'text' | a word without spaces, parentheses, quotes and operators
//! ```
//!
//! A value is read as its column wants it: a number, true or false, a time (RFC 3339, or a date at midnight UTC), text;
//! `null` without quotes is the unknown. `~` is a regular expression that matches anywhere; `contains` asks a list for an
//! element, a map for a key, a text for a part. What is unknown equals nothing, so that `!=` holds for it, and is neither
//! less nor more.

use std::iter::Peekable;
use std::vec::IntoIter;

use dissectors::Timestamp;
use regex::Regex;

use crate::cell::{Cell, Kind, Row};
use crate::query::{QueryError, column};
use crate::schema::{Column, Table};
use crate::visible::visible;

/// Conditions on a row.
#[derive(Debug)]
pub(crate) enum Filter {
    Any(Vec<Filter>),
    All(Vec<Filter>),
    One { column: usize, test: Test },
}

/// A condition on one cell.
#[derive(Debug)]
pub(crate) enum Test {
    Is(Cell),
    IsNot(Cell),
    Less(Cell),
    LessOrEqual(Cell),
    More(Cell),
    MoreOrEqual(Cell),
    Matches(Regex),
    Contains(String),
}

impl Filter {
    pub(crate) fn parse(table: &'static Table, text: &str) -> Result<Self, QueryError> {
        let located = |(at, fault): (usize, QueryError)| {
            let at = visible(&text[..at]).chars().count();
            QueryError::Conditions { fault: Box::new(fault), text: visible(text), at }
        };
        let tokens = tokens(text).map_err(located)?;
        let mut parser = Parser { table, tokens: tokens.into_iter().peekable(), at: 0, end: text.len() };
        parser.whole().map_err(|fault| located((parser.at, fault)))
    }

    pub(crate) fn holds(&self, row: &Row) -> bool {
        match self {
            Self::Any(filters) => filters.iter().any(|filter| filter.holds(row)),
            Self::All(filters) => filters.iter().all(|filter| filter.holds(row)),
            Self::One { column, test } => test.holds(&row[*column]),
        }
    }
}

impl Filter {
    /// The texts that single columns are asked for, wherever in the conditions.
    pub(crate) fn texts(&self) -> Vec<(usize, &str)> {
        match self {
            Self::Any(filters) | Self::All(filters) => filters.iter().flat_map(Self::texts).collect(),
            Self::One { column, test: Test::Is(Cell::Text(text)) | Test::Contains(text) } => vec![(*column, text)],
            Self::One { .. } => Vec::new(),
        }
    }
}

/// The text of a cell, or the texts of its list.
pub(crate) fn texts_of(cell: &Cell) -> impl Iterator<Item = &str> {
    std::iter::once(cell).chain(cell.inner()).filter_map(Cell::text)
}

impl Test {
    fn holds(&self, cell: &Cell) -> bool {
        match self {
            Self::Is(value) => cell == value,
            Self::IsNot(value) => cell != value,
            _ if cell.is_null() => false,
            Self::Less(value) => cell < value,
            Self::LessOrEqual(value) => cell <= value,
            Self::More(value) => cell > value,
            Self::MoreOrEqual(value) => cell >= value,
            Self::Matches(pattern) => texts_of(cell).any(|text| pattern.is_match(text)),
            Self::Contains(part) => match cell {
                Cell::Text(text) => text.contains(part),
                Cell::Map(entries) => entries.iter().any(|(key, _)| key == part),
                _ => texts_of(cell).any(|text| text == part),
            },
        }
    }
}

struct Parser {
    table: &'static Table,
    tokens: Peekable<IntoIter<(usize, Token)>>,
    /// Where the token stands that was taken last, which is the one at fault.
    at: usize,
    /// Where the text ends.
    end: usize,
}

impl Parser {
    fn whole(&mut self) -> Result<Filter, QueryError> {
        let filter = self.any()?;
        match self.next() {
            None => Ok(filter),
            found => Err(syntax("and, or, or the end", found)),
        }
    }

    fn next(&mut self) -> Option<Token> {
        let (at, token) = self.tokens.next().map_or((self.end, None), |(at, token)| (at, Some(token)));
        self.at = at;
        token
    }

    fn any(&mut self) -> Result<Filter, QueryError> {
        let mut filters = vec![self.all()?];
        while self.take_word("or") {
            filters.push(self.all()?);
        }
        Ok(Filter::Any(filters))
    }

    fn all(&mut self) -> Result<Filter, QueryError> {
        let mut filters = vec![self.one()?];
        while self.take_word("and") {
            filters.push(self.one()?);
        }
        Ok(Filter::All(filters))
    }

    fn one(&mut self) -> Result<Filter, QueryError> {
        match self.next() {
            Some(Token::Open) => {
                let filter = self.any()?;
                match self.next() {
                    Some(Token::Close) => Ok(filter),
                    found => Err(syntax("and, or, or )", found)),
                }
            }
            Some(Token::Word(name)) => self.condition(&name),
            found => Err(syntax("a column", found)),
        }
    }

    fn condition(&mut self, name: &str) -> Result<Filter, QueryError> {
        let index = column(self.table, name)?;
        let operator = match self.next() {
            Some(Token::Operator(operator)) => operator,
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("contains") => "contains",
            found => return Err(syntax("one of = != < <= > >= ~ contains", found)),
        };
        let operator_at = self.at;
        let value = match self.next() {
            Some(token @ (Token::Word(_) | Token::Quoted(_))) => token,
            found => return Err(syntax("a value", found)),
        };
        let test = test(&self.table.columns[index], operator, value);
        if matches!(test, Err(QueryError::Operator { .. })) {
            self.at = operator_at;
        }
        Ok(Filter::One { column: index, test: test? })
    }

    fn take_word(&mut self, word: &str) -> bool {
        self.tokens
            .next_if(|(_, token)| matches!(token, Token::Word(next) if next.eq_ignore_ascii_case(word)))
            .is_some()
    }
}

fn test(column: &Column, operator: &'static str, value: Token) -> Result<Test, QueryError> {
    let refuse = |instead| Err(QueryError::Operator { column: column.name, operator: operator.into(), instead });
    let value = match (operator, value) {
        ("=", Token::Word(word)) if word == "null" => return Ok(Test::Is(Cell::Null)),
        ("!=", Token::Word(word)) if word == "null" => return Ok(Test::IsNot(Cell::Null)),
        (_, Token::Word(value) | Token::Quoted(value)) => value,
        (_, token) => return Err(syntax("a value", Some(token))),
    };
    match (operator, column.kind) {
        ("~", Kind::Text | Kind::List(Kind::Text)) => match Regex::new(&value) {
            Ok(pattern) => Ok(Test::Matches(pattern)),
            Err(error) => Err(QueryError::Pattern { column: column.name, problem: last_line(&error.to_string()) }),
        },
        ("contains", Kind::Text | Kind::List(Kind::Text) | Kind::Map(_)) => Ok(Test::Contains(value)),
        (_, Kind::List(Kind::Text)) => refuse("it is a list: say contains or ~"),
        (_, Kind::Map(_)) => refuse("it is a map: say contains and a key"),
        (_, Kind::List(_) | Kind::Struct(_)) => refuse("only = null and != null are known of it"),
        ("~" | "contains", _) => refuse("it is no text: say = != < <= > >="),
        _ => comparison(column, operator, value),
    }
}

/// What the library says at the end of its picture of a pattern.
fn last_line(text: &str) -> String {
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

fn comparison(column: &Column, operator: &str, value: String) -> Result<Test, QueryError> {
    let value = literal(column, value)?;
    Ok(match operator {
        "=" => Test::Is(value),
        "!=" => Test::IsNot(value),
        "<" => Test::Less(value),
        "<=" => Test::LessOrEqual(value),
        ">" => Test::More(value),
        _ => Test::MoreOrEqual(value),
    })
}

/// A value as its column wants it.
fn literal(column: &Column, value: String) -> Result<Cell, QueryError> {
    let (cell, wanted) = match column.kind {
        Kind::Bool => (value.parse().ok().map(Cell::Bool), "true or false"),
        Kind::Int32 | Kind::Int64 => (value.parse().ok().map(Cell::Int), "a whole number"),
        Kind::Double => (value.parse().ok().map(Cell::Double), "a number"),
        Kind::Time => (time(&value).map(Cell::Time), "a time (like 2026-11-24T10:00:00Z, or 2026-11-24)"),
        _ => return Ok(Cell::Text(value)),
    };
    cell.ok_or(QueryError::Value { column: column.name, wanted, found: value })
}

/// RFC 3339, or the start of a day in UTC.
fn time(text: &str) -> Option<Timestamp> {
    let parse = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let time = parse(text).or_else(|| parse(&format!("{text}T00:00:00Z")))?;
    Some(Timestamp::from_micros(time.as_microsecond()))
}

enum Token {
    Word(String),
    Quoted(String),
    Operator(&'static str),
    Open,
    Close,
}

/// The longer ones first: the first that fits is taken.
const OPERATORS: [&str; 7] = ["!=", "<=", ">=", "=", "<", ">", "~"];

/// Where a word ends.
fn ends_word(letter: char) -> bool {
    letter.is_whitespace() || "()\"'=!<>~".contains(letter)
}

/// The tokens of a text and where each stands; or what is none, and where.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, (usize, QueryError)> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let token = match first {
            '(' => Ok((Token::Open, 1)),
            ')' => Ok((Token::Close, 1)),
            '"' | '\'' => quoted(rest, first),
            _ => operator_or_word(rest),
        };
        let (token, length) = token.map_err(|fault| (at, fault))?;
        tokens.push((at, token));
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// Text up to the same quote again. There is no escape, so that a pattern is written as it is.
fn quoted(rest: &str, quote: char) -> Result<(Token, usize), QueryError> {
    match rest[1..].split_once(quote) {
        Some((inside, _)) => Ok((Token::Quoted(inside.into()), inside.len() + 2)),
        None => Err(QueryError::Syntax { wanted: "a closing quote", found: "the end".into() }),
    }
}

fn operator_or_word(rest: &str) -> Result<(Token, usize), QueryError> {
    if let Some(operator) = OPERATORS.into_iter().find(|operator| rest.starts_with(operator)) {
        return Ok((Token::Operator(operator), operator.len()));
    }
    match rest.find(ends_word).unwrap_or(rest.len()) {
        0 => Err(QueryError::Syntax { wanted: "one of = != < <= > >= ~ contains", found: rest.into() }),
        length => Ok((Token::Word(rest[..length].into()), length)),
    }
}

fn syntax(wanted: &'static str, found: Option<Token>) -> QueryError {
    let found = match found {
        None => "the end".into(),
        Some(Token::Word(text) | Token::Quoted(text)) => text,
        Some(Token::Operator(operator)) => operator.into(),
        Some(Token::Open) => "(".into(),
        Some(Token::Close) => ")".into(),
    };
    QueryError::Syntax { wanted, found }
}

#[cfg(test)]
mod tests {
    use fingerprints::record::{AssetRow, FindingRow, Provenance, Record};

    use super::*;
    use crate::schema::tables::{ASSETS, FINDINGS};

    fn holds(filter: &str) -> bool {
        let asset = AssetRow {
            vendor: Some("Siemens".into()),
            firmware: Some("V4.4".into()),
            role: None,
            ips: vec!["10.0.0.1".into(), "fe80::1".into()],
            confidence: Some(95),
            purdue_level: Some(3.5),
            safety_related: Some(true),
            first_seen: Timestamp::from_micros(1_700_006_400_000_000), // 2023-11-15T00:00:00Z
            ..AssetRow::default()
        };
        let (table, row) = Table::row(&Record::from(asset), &Provenance::default());
        Filter::parse(table, filter).unwrap_or_else(|error| panic!("{filter}: {error}")).holds(&row)
    }

    fn fault(filter: &str) -> QueryError {
        match Filter::parse(&ASSETS, filter) {
            Err(QueryError::Conditions { fault, .. }) => *fault,
            other => panic!("{filter}: {other:?}"),
        }
    }

    fn error(filter: &str) -> String {
        fault(filter).to_string()
    }

    #[test]
    fn each_type_is_compared_in_its_own_order() {
        for filter in [
            "vendor = Siemens",
            "vendor != 'siemens'",
            "vendor < \"Tiemens\"",
            "confidence >= 95",
            "confidence <= 95",
            "confidence > 9", // as text it would not be
            "purdue_level < 4",
            "safety_related = true",
            "first_seen = 2023-11-15",
            "first_seen < 2023-11-15T01:00:00+00:30",
            "first_seen > 2023-11-14T23:59:59.999999Z",
        ] {
            assert!(holds(filter), "{filter}");
        }
        assert!(!holds("confidence < 95") && !holds("confidence > 95"));
    }

    #[test]
    fn lists_contain_and_patterns_match_anywhere() {
        assert!(holds("ips contains fe80::1"));
        assert!(!holds("ips contains 10.0.0"));
        assert!(holds(r#"ips ~ "^10\.""#));
        assert!(holds(r"firmware ~ 'V\d'") && holds("firmware ~ 4") && !holds("firmware ~ ^4"));
        assert!(holds("vendor contains emen"));
        let details = FindingRow { details: [("user".into(), "admin".into())].into(), ..FindingRow::default() };
        let (_, row) = Table::row(&details.into(), &Provenance::default());
        assert!(Filter::parse(&FINDINGS, "details contains user").unwrap().holds(&row));
        assert!(!Filter::parse(&FINDINGS, "details contains admin").unwrap().holds(&row));
    }

    #[test]
    fn the_unknown_equals_nothing_and_is_neither_less_nor_more() {
        assert!(holds("role = null") && holds("vendor != null"));
        assert!(holds("role != plc") && !holds("role = plc") && !holds("role < plc") && !holds("role > plc"));
        assert!(!holds("role = 'null'") && !holds("role ~ ."));
    }

    #[test]
    fn and_binds_closer_than_or() {
        assert!(holds("vendor = Siemens or vendor = x and vendor = y"));
        assert!(!holds("(vendor = Siemens or vendor = x) and vendor = y"));
        assert!(holds("vendor=Siemens AND(confidence>1 OR role=plc)"));
    }

    #[test]
    fn an_error_names_the_column_and_what_would_do() {
        assert_eq!(error("vendro = x"), "assets has no column vendro; did you mean vendor?");
        assert_eq!(error("confidence = high"), "confidence is a whole number, and high is not");
        assert_eq!(
            error("last_seen > yesterday"),
            "last_seen is a time (like 2026-11-24T10:00:00Z, or 2026-11-24), and yesterday is not"
        );
        assert_eq!(error("ips = 10.0.0.1"), "ips cannot be compared by =; it is a list: say contains or ~");
        assert_eq!(error("confidence ~ 9"), "confidence cannot be compared by ~; it is no text: say = != < <= > >=");
        assert_eq!(error("vendor ~ '('"), "vendor ~ wants a regular expression: unclosed group");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (filter, message) in [
            ("", "expected a column, found the end"),
            ("vendor", "expected one of = != < <= > >= ~ contains, found the end"),
            ("vendor is x", "expected one of = != < <= > >= ~ contains, found is"),
            ("vendor ! x", "expected one of = != < <= > >= ~ contains, found ! x"),
            ("vendor =", "expected a value, found the end"),
            ("vendor = x y", "expected and, or, or the end, found y"),
            ("(vendor = x", "expected and, or, or ), found the end"),
            ("vendor = x)", "expected and, or, or the end, found )"),
            ("vendor = 'x", "expected a closing quote, found the end"),
            ("vendor = x and", "expected a column, found the end"),
        ] {
            assert_eq!(error(filter), message, "{filter}");
        }
    }

    #[test]
    fn an_error_points_at_its_place() {
        for (filter, place) in [
            ("vendro = x", ""),
            ("vendor is x", "       "),
            ("vendor = x and  confidence > high", "                             "),
            ("vendor = Müller or ips = 10.0.0.1", "                       "),
            ("vendor = x y", "           "),
            ("vendor =", "        "),
            ("vendor = 'x", "         "),
        ] {
            let said = Filter::parse(&ASSETS, filter).unwrap_err().to_string();
            let end = format!("\n  {filter}\n  {place}^");
            assert!(said.starts_with("--where: ") && said.ends_with(&end), "{said}");
        }
        let steering = Filter::parse(&ASSETS, "vendor = \u{1b}x y").unwrap_err().to_string();
        assert!(steering.ends_with("\n  vendor = \\u{1b}x y\n                   ^"), "{steering}");
    }
}
