//! The table in the docs of `case` is what the code does.

use super::*;

#[test]
fn the_table_in_the_docs_is_the_code() {
    let docs = include_str!("../../case.rs").lines().filter_map(|line| line.strip_prefix("//! |"));
    let rows: Vec<Vec<&str>> = docs.map(|row| row.trim_end_matches('|').split('|').map(str::trim).collect()).collect();
    let (head, moves) = (&rows[0], &rows[2..]);
    let states: Vec<&str> = State::ALL.iter().map(|state| state.as_str()).collect();
    assert_eq!(head[1..], states);
    assert_eq!(moves.len(), Move::ALL.len(), "a row for each move");
    let mut allowed = 0;
    for (row, a_move) in moves.iter().zip(Move::ALL) {
        assert_eq!(row[0], a_move.as_str());
        assert_eq!(row.len(), State::ALL.len() + 1, "{row:?}");
        for (cell, state) in row[1..].iter().zip(State::ALL) {
            let told = transition(state, a_move).map_or("–".to_owned(), |(kind, to)| match to {
                same if same == state => kind.as_str().to_owned(),
                other => format!("{} → {other}", kind.as_str()),
            });
            assert_eq!(*cell, told, "{} in {state}", a_move.as_str());
            allowed += usize::from(cell != &"–");
        }
    }
    assert_eq!(allowed, 27, "cells that are not refused");
}

#[test]
fn words_read_back() {
    for state in State::ALL {
        assert_eq!(State::parse(state.as_str()), Some(state));
    }
    for action in Action::ALL {
        assert_eq!(Action::parse(action.as_str()), Some(action));
    }
    assert_eq!((State::parse("pending"), Action::parse("Claim"), Action::parse("")), (None, None, None));
}

/// Every kind is written by some move, and every move is possible somewhere.
#[test]
fn nothing_in_the_table_is_idle() {
    let cells = || State::ALL.into_iter().flat_map(|state| Move::ALL.map(|a_move| (a_move, transition(state, a_move))));
    for kind in Kind::ALL {
        assert!(cells().any(|(_, cell)| cell.is_some_and(|(written, _)| written == kind)), "{kind:?}");
    }
    for a_move in Move::ALL {
        assert!(cells().any(|(moved, cell)| moved == a_move && cell.is_some()), "{a_move:?}");
    }
}
