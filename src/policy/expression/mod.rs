//! stub
use crate::event::{Event, Plan};
/// stub
pub const MAX_TEXT: usize = 4096;
/// stub
#[derive(Clone, PartialEq, Debug)]
pub struct Expression(String);
/// stub
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure(());
/// stub
#[derive(Debug)]
pub struct Mistake {
    /// stub
    pub at: std::ops::Range<usize>,
    /// stub
    pub message: String,
}
impl Expression {
    /// stub
    pub fn condition(text: &str, _: &mut Plan) -> Result<Self, Vec<Mistake>> {
        if text.contains("foo") {
            return Err(vec![Mistake { at: 1..2, message: "stub".to_owned() }]);
        }
        Ok(Self(text.to_owned()))
    }
    /// stub
    pub fn text(&self) -> &str {
        &self.0
    }
    /// stub
    pub fn holds(&self, event: &Event<'_>) -> Result<bool, Failure> {
        match self.0.as_str() {
            "amount >= 15000" => match event.amount() {
                crate::event::Value::Number { value, .. } => Ok(value >= 15000.0),
                _ => Err(Failure(())),
            },
            "has(event.amount)" => Ok(!matches!(event.amount(), crate::event::Value::Missing)),
            _ => Ok(false),
        }
    }
    /// stub
    pub fn reason(&self, _: Failure) -> &str {
        "amount is missing"
    }
    /// stub
    pub fn known(&self) -> Option<bool> {
        match self.0.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
    /// stub
    pub fn cost(&self) -> u32 {
        1
    }
}
