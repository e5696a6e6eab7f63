//! The allocator of the unit tests: the system's, counting for each thread how often it is asked and how much is in use.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    /// Less than nothing, where a thread frees what another one asked for.
    static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[expect(clippy::cast_possible_wrap, reason = "no layout is larger than isize::MAX")]
fn count(allocations: usize, more: usize, less: usize) {
    ALLOCATIONS.with(|count| count.set(count.get() + allocations));
    LIVE_BYTES.with(|bytes| bytes.set(bytes.get() + more as isize - less as isize));
}

// SAFETY: everything is the system allocator's; counting in a `Cell` without a destructor allocates nothing itself.
#[expect(unsafe_code, reason = "an allocator cannot be written without; this one is only in the tests")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, 0, layout.size());
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size, layout.size());
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How often this thread asks for memory in the course of `work`.
pub fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

/// What `work` makes, and how many bytes this thread has in use for it afterwards.
pub fn live_bytes<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE_BYTES.with(Cell::get);
    let made = work();
    let more = LIVE_BYTES.with(Cell::get) - before;
    (made, usize::try_from(more).expect("what is made takes room"))
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
    let (kept, bytes) = live_bytes(|| {
        drop(std::hint::black_box(vec![0_u8; 500]));
        let mut list = Vec::with_capacity(1_000);
        list.push(7_u64);
        list
    });
    assert_eq!((kept.len(), bytes), (1, 8_000));
}
