//! Where text came from: the names and bytes of every file read.

use std::cell::OnceCell;

/// Every file of a configuration, in the order in which they were first read; 0 is the main file.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    name: Box<str>,
    bytes: Box<[u8]>,
    /// Where each line begins; made when first asked for.
    lines: OnceCell<Vec<u32>>,
}

impl SourceMap {
    /// Adds a file; its number, or none if there are 65,536 already.
    pub fn add(&mut self, name: &str, bytes: Box<[u8]>) -> Option<u16> {
        let number = u16::try_from(self.files.len()).ok()?;
        self.files.push(Source {
            name: name.into(),
            bytes,
            lines: OnceCell::new(),
        });
        Some(number)
    }

    /// The name under which a file was read.
    #[must_use]
    pub fn name(&self, file: u16) -> Option<&str> {
        self.files.get(usize::from(file)).map(|source| &*source.name)
    }

    /// The bytes of a file.
    #[must_use]
    pub fn bytes(&self, file: u16) -> Option<&[u8]> {
        self.files.get(usize::from(file)).map(|source| &*source.bytes)
    }

    /// The line that a position names, without its end.
    #[must_use]
    pub fn line(&self, at: super::tree::Position) -> Option<String> {
        let source = self.files.get(usize::from(at.file))?;
        let lines = source.lines.get_or_init(|| {
            let ends = source
                .bytes
                .iter()
                .zip(1_u32..)
                .filter(|&(&byte, _)| byte == b'\n')
                .map(|(_, next)| next);
            core::iter::once(0).chain(ends).collect()
        });
        let index = usize::try_from(at.line).ok()?.checked_sub(1)?;
        let start = usize::try_from(*lines.get(index)?).ok()?;
        let text = source.bytes.get(start..)?.split(|&byte| byte == b'\n').next()?;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}
