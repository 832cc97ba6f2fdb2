//! Gives a copied data directory a system identifier of its own.
//!
//! initdb draws the identifier, and a copy shares it; shards must not, since replication and
//! recovery tell servers apart by it. It lies in two places: at the start of `global/pg_control`,
//! under that file's CRC-32C, and in the header of each WAL segment's first page, which has no
//! checksum (access/xlog_internal.h, catalog/pg_control.h; alike in PostgreSQL 14 to 18).
//! Writing both costs nothing, where an initdb for each shard costs half a second of a core.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::error::{At, Error};

/// Byte of `xlp_info` in a WAL page's header, and the bit that says "long header".
const XLP_INFO: usize = 2;
const XLP_LONG_HEADER: u16 = 0x0002;
/// Byte of `xlp_sysid` in a long header.
const XLP_SYSID: usize = 24;

/// The identifier of the cluster in this data directory.
pub(super) fn read(data: &Path) -> Result<u64, Error> {
    let path = data.join("global/pg_control");
    let mut id = [0; 8];
    File::open(&path).and_then(|f| f.read_exact_at(&mut id, 0)).at("read", &path)?;
    Ok(u64::from_ne_bytes(id))
}

/// Writes another identifier into a data directory that no server uses, and that was shut down
/// cleanly.
pub(super) fn write(data: &Path, id: u64) -> Result<(), Error> {
    let path = data.join("global/pg_control");
    let mut control = fs::read(&path).at("read", &path)?;
    let crc = crc_position(&control).ok_or_else(|| {
        Error::Failed(format!("{}: no valid control file was found in it", path.display()))
    })?;
    let mut old = [0; 8];
    old.copy_from_slice(&control[..8]);
    control[..8].copy_from_slice(&id.to_ne_bytes());
    let sum = crc32c(&control[..crc]);
    control[crc..crc + 4].copy_from_slice(&sum.to_ne_bytes());
    fs::write(&path, &control).at("write", &path)?;
    write_wal(&data.join("pg_wal"), old, id)
}

fn write_wal(wal: &Path, old: [u8; 8], id: u64) -> Result<(), Error> {
    for entry in fs::read_dir(wal).at("list", wal)? {
        let path = entry.at("list", wal)?.path();
        let segment = path.file_name().is_some_and(|name| {
            name.len() == 24 && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit)
        });
        if !segment {
            continue;
        }
        let file = File::options().read(true).write(true).open(&path).at("open", &path)?;
        let mut header = [0; XLP_SYSID + 8];
        file.read_exact_at(&mut header, 0).at("read", &path)?;
        let info = u16::from_ne_bytes([header[XLP_INFO], header[XLP_INFO + 1]]);
        // A segment made ahead of its use is all zeros and names nobody.
        if info & XLP_LONG_HEADER == 0 || header[XLP_SYSID..] != old {
            continue;
        }
        file.write_all_at(&id.to_ne_bytes(), XLP_SYSID as u64).at("write", &path)?;
    }
    Ok(())
}

/// Where the control file's own checksum lies. The struct's size differs between versions; the
/// checksum is its last field, and the only place where the sum of all before it stands.
fn crc_position(control: &[u8]) -> Option<usize> {
    let end = control.len().min(512).checked_sub(4)?;
    (64..=end).step_by(4).find(|&at| crc32c(&control[..at]).to_ne_bytes() == control[at..at + 4])
}

/// CRC-32C (Castagnoli), as Postgres's control file has it; a few hundred bytes, so bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32c_has_its_check_value() {
        // RFC 3720 B.4 and the catalogue of CRC algorithms.
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
    }

    #[test]
    fn a_control_file_is_found_by_its_checksum_and_a_damaged_one_is_not() {
        let mut control: Vec<u8> = (0..=255).cycle().take(8192).collect();
        let sum = crc32c(&control[..288]);
        control[288..292].copy_from_slice(&sum.to_ne_bytes());
        assert_eq!(crc_position(&control), Some(288));
        control[0] ^= 1;
        assert_eq!(crc_position(&control), None);
        assert_eq!(crc_position(&control[..3]), None);
    }
}
