// SPDX-License-Identifier: GPL-2.0

//! The calls of the driver: a number, a name for errors, and a structure whose
//! first member is its own size.

use std::{
    fs::File,
    os::fd::{
        FromRawFd,
        OwnedFd, //
    },
};

use vmm_sys_util::ioctl::{
    ioctl_expr,
    ioctl_with_mut_ref,
    ioctl_with_val,
    _IOC_NONE, //
};

use crate::{
    errno::Errno,
    error::{
        Error,
        Result, //
    },
    uapi, //
};

/// A call: its number within the type, and its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call(u32, pub(crate) &'static str);

macro_rules! calls {
    ($($name:ident = $command:ident, $text:literal;)*) => {
        $(pub(crate) const $name: Call = Call(uapi::$command, $text);)*
    };
}

calls! {
    GET_INFO = MINIVMX_CMD_GET_INFO, "MINIVMX_GET_INFO";
    CREATE_VM = MINIVMX_CMD_CREATE_VM, "MINIVMX_CREATE_VM";
    MAP_MEMORY = MINIVMX_CMD_MAP_MEMORY, "MINIVMX_MAP_MEMORY";
    UNMAP_MEMORY = MINIVMX_CMD_UNMAP_MEMORY, "MINIVMX_UNMAP_MEMORY";
    READ_TABLE = MINIVMX_CMD_READ_TABLE, "MINIVMX_READ_TABLE";
    CREATE_VCPU = MINIVMX_CMD_CREATE_VCPU, "MINIVMX_CREATE_VCPU";
    GET_STATS = MINIVMX_CMD_GET_STATS, "MINIVMX_GET_STATS";
    RUN = MINIVMX_CMD_RUN, "MINIVMX_RUN";
    GET_SREGS = MINIVMX_CMD_GET_SREGS, "MINIVMX_GET_SREGS";
    SET_SREGS = MINIVMX_CMD_SET_SREGS, "MINIVMX_SET_SREGS";
    GET_FPU = MINIVMX_CMD_GET_FPU, "MINIVMX_GET_FPU";
    SET_FPU = MINIVMX_CMD_SET_FPU, "MINIVMX_SET_FPU";
    GET_MSRS = MINIVMX_CMD_GET_MSRS, "MINIVMX_GET_MSRS";
    SET_MSRS = MINIVMX_CMD_SET_MSRS, "MINIVMX_SET_MSRS";
    SET_CPUID = MINIVMX_CMD_SET_CPUID, "MINIVMX_SET_CPUID";
    SET_TRAPS = MINIVMX_CMD_SET_TRAPS, "MINIVMX_SET_TRAPS";
    TRANSLATE = MINIVMX_CMD_TRANSLATE, "MINIVMX_TRANSLATE";
    VMREAD = MINIVMX_CMD_VMREAD, "MINIVMX_VMREAD";
    VMWRITE = MINIVMX_CMD_VMWRITE, "MINIVMX_VMWRITE";
    CHECK = MINIVMX_CMD_CHECK, "MINIVMX_CHECK";
    KICK = MINIVMX_CMD_KICK, "MINIVMX_KICK";
}

/// A structure that a call takes.
///
/// # Safety
///
/// The first member is a `u32` that holds the structure's size, and the driver
/// touches no memory but the structure, or memory that its members point to
/// and that the caller vouches for.
pub(crate) unsafe trait Argument: Default {
    /// An argument of zeroes that knows its size.
    fn sized() -> Self;
}

macro_rules! arguments {
    ($($name:ident)*) => {
        $(
            // SAFETY: All structures of the header begin with `size`; the pointers in some of
            // them are set by this crate only, from slices that outlive the call.
            unsafe impl Argument for uapi::$name {
                fn sized() -> Self {
                    Self { size: size_of::<Self>() as u32, ..Default::default() }
                }
            }
        )*
    };
}

arguments! {
    minivmx_info minivmx_create_vm minivmx_map_memory minivmx_unmap_memory minivmx_create_vcpu
    minivmx_stats minivmx_sregs minivmx_fpu minivmx_msrs minivmx_cpuid minivmx_traps minivmx_vmcs_field
    minivmx_check minivmx_read_table minivmx_translate
}

impl Call {
    #[inline]
    fn request(self) -> libc::c_ulong {
        ioctl_expr(_IOC_NONE, uapi::MINIVMX_TYPE, self.0, 0)
    }

    #[inline]
    fn check(self, answer: libc::c_int) -> Result<libc::c_int> {
        if answer < 0 {
            return Err(Error::Call {
                call: self.1,
                errno: Errno::last(),
            });
        }
        Ok(answer)
    }

    /// Makes the call with a structure.
    pub(crate) fn with<T: Argument>(self, file: &File, argument: &mut T) -> Result<libc::c_int> {
        // SAFETY: `Argument` promises that the driver stays inside what is lent to it.
        self.check(unsafe { ioctl_with_mut_ref(file, self.request(), argument) })
    }

    /// Makes a call that answers with a new file.
    pub(crate) fn open<T: Argument>(self, file: &File, argument: &mut T) -> Result<File> {
        let fd = self.with(file, argument)?;
        // SAFETY: The call succeeded, so the driver made this descriptor for us alone.
        Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Makes the call that takes no argument.
    #[inline]
    pub(crate) fn without(self, file: &File) -> Result<()> {
        // SAFETY: There is no pointer; what the driver writes is the shared run page, which no
        // reference of the caller covers (`Vcpu::run` holds the vCPU exclusively).
        self.check(unsafe { ioctl_with_val(file, self.request(), 0) })
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_type_and_number() {
        assert_eq!(GET_INFO.request(), 0xbb00);
        assert_eq!(RUN.request(), 0xbb20);
    }

    #[test]
    fn a_sized_argument_is_zero_but_its_size() {
        let info = uapi::minivmx_info::sized();
        let zero = uapi::minivmx_info {
            size: info.size,
            ..Default::default()
        };
        assert_eq!(info.size as usize, size_of::<uapi::minivmx_info>());
        assert_eq!(info, zero);
    }

    #[test]
    fn a_wrong_file_is_refused_in_words() {
        let file = File::open("/dev/null").expect("/dev/null");
        let error = GET_INFO
            .with(&file, &mut uapi::minivmx_info::sized())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "MINIVMX_GET_INFO: ENOTTY: there is no such call on this kind of file"
        );
    }
}
