//! Salts for cases: random bytes from the operating system, fetched some dozens at a time.

/// Hands out 16 random bytes a call.
pub(super) struct Salts {
    bytes: [u8; 1024],
    used: usize,
}

impl Salts {
    pub fn new() -> Self {
        Self { bytes: [0; 1024], used: 1024 }
    }

    pub fn next(&mut self) -> [u8; 16] {
        if self.used + 16 > self.bytes.len() {
            getrandom::fill(&mut self.bytes).expect("the operating system has random bytes");
            self.used = 0;
        }
        let mut salt = [0; 16];
        salt.copy_from_slice(&self.bytes[self.used..self.used + 16]);
        self.used += 16;
        salt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() {
        let mut salts = Salts::new();
        let drawn: std::collections::HashSet<[u8; 16]> = (0..200).map(|_| salts.next()).collect();
        assert_eq!(drawn.len(), 200);
    }
}
