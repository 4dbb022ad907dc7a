// SPDX-License-Identifier: GPL-2.0

//! Files whose operations are Rust: the node of a misc device, and anonymous files behind it.
//!
//! Every file keeps the module loaded: `owner` is set in all operations, so that a module cannot
//! go while a file of it is open.
//!
//! Who may free what: the private data of an open file is one reference to its object, which
//! `release` gives back. A mapping holds a reference to its file, so its fault handler may use the
//! object, too.

use super::{
    bindings,
    page::KernelPage, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings as kernel_bindings,
    error::{
        from_err_ptr,
        from_result,
        to_result, //
    },
    ffi::c_int,
    fs::{
        file::flags,
        file::FileDescriptorReservation,
        File, //
    },
    mm::virt::VmaNew,
    module::{
        this_module,
        ModuleMetadata, //
    },
    prelude::*,
    seq_file::SeqFile,
    sync::{
        aref::ARef,
        Arc,
        ArcBorrow, //
    },
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};

/// What a kind of file can do.
pub(crate) trait FileOperations: Send + Sync + Sized + 'static {
    /// The module that its code is in.
    type Module: ModuleMetadata;

    /// Its name: of the device node, or in `/proc/PID/fd`.
    const NAME: &'static CStr;

    /// Answers ioctl().
    fn ioctl(this: ArcBorrow<'_, Self>, command: u32, argument: usize) -> Result<isize>;

    /// May these pages be mapped? `first` is the offset of the mapping in pages.
    fn check_mmap(&self, _first: usize, _pages: usize) -> Result {
        Err(ENODEV)
    }

    /// The page at this offset (in pages) of a mapping that a program touched. Any error becomes
    /// SIGBUS, `ENOMEM` too: as `VM_FAULT_OOM` it would be tried again for ever where nobody called
    /// the OOM killer.
    fn fault(&self, _offset: usize) -> Result<KernelPage> {
        Err(ENODEV)
    }

    /// Says more of it in `/proc/PID/fdinfo`, in lines of a name, `:\t` and a value. May be called
    /// at any time.
    fn show(&self, _text: &SeqFile) {}
}

/// Opens an anonymous file on `object`.
pub(crate) fn open_anonymous<T: FileOperations>(object: Arc<T>) -> Result<isize> {
    let reservation = FileDescriptorReservation::get_unused_fd_flags(flags::O_CLOEXEC)?;
    let fd = reservation.reserved_fd();
    let private = object.into_foreign();
    // SAFETY: The operations are static and belong to a type whose private data is such a pointer.
    let file = from_err_ptr(unsafe {
        bindings::anon_inode_getfile(
            kernel::str::as_char_ptr_in_const_context(T::NAME),
            &Table::<T>::OPERATIONS,
            private,
            (flags::O_RDWR | flags::O_CLOEXEC) as c_int,
        )
    })
    .inspect_err(|_| {
        // SAFETY: No file took the reference, so it is still this function's.
        drop(unsafe { Arc::<T>::from_foreign(private) })
    })?;
    // SAFETY: The file is not null and comes with one reference.
    let file = unsafe { ARef::from_raw(NonNull::new_unchecked(file.cast::<File>())) };
    reservation.fd_install(file);
    Ok(fd as isize)
}

/// A registered misc device: each open() of it is one more reference to the same object.
///
/// # Invariants
///
/// `inner` is registered from the construction to the drop.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: FileOperations> {
    #[pin]
    inner: Opaque<kernel_bindings::miscdevice>,
    object: Arc<T>,
}

// SAFETY: A registration can be ended on any thread.
unsafe impl<T: FileOperations> Send for Registration<T> {}
// SAFETY: Shared references give access to the object only, which is `Sync`.
unsafe impl<T: FileOperations> Sync for Registration<T> {}

impl<T: FileOperations> Registration<T> {
    /// Makes a device node that only root can open.
    pub(crate) fn new(object: Arc<T>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            object,
            inner <- Opaque::try_ffi_init(|slot: *mut kernel_bindings::miscdevice| {
                let device = kernel_bindings::miscdevice {
                    minor: kernel_bindings::MISC_DYNAMIC_MINOR as c_int,
                    name: kernel::str::as_char_ptr_in_const_context(T::NAME),
                    fops: &Table::<T>::DEVICE_OPERATIONS,
                    mode: 0o600,
                    ..pin_init::zeroed()
                };
                // SAFETY: `slot` can be written.
                unsafe { slot.write(device) };
                // SAFETY: `slot` is initialised and pinned until it is deregistered.
                // INVARIANT: It is registered if this succeeds.
                to_result(unsafe { kernel_bindings::misc_register(slot) })
            }),
        })
    }
}

#[pinned_drop]
impl<T: FileOperations> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant the device is registered.
        unsafe { kernel_bindings::misc_deregister(self.inner.get()) };
    }
}

/// The C side of [`FileOperations`]. Each function takes the arguments apart, calls, and turns the
/// result into an errno.
struct Table<T>(PhantomData<T>);

impl<T: FileOperations> Table<T> {
    const OPERATIONS: kernel_bindings::file_operations = kernel_bindings::file_operations {
        owner: this_module::<T::Module>().as_ptr(),
        release: Some(Self::release),
        unlocked_ioctl: Some(Self::ioctl),
        // The structures are the same in 32-bit programs.
        compat_ioctl: kernel_bindings::compat_ptr_ioctl,
        mmap: Some(Self::mmap),
        show_fdinfo: Some(Self::show_fdinfo),
        ..pin_init::zeroed()
    };

    const DEVICE_OPERATIONS: kernel_bindings::file_operations = kernel_bindings::file_operations {
        open: Some(Self::open),
        ..Self::OPERATIONS
    };

    const MAPPING: kernel_bindings::vm_operations_struct = kernel_bindings::vm_operations_struct {
        fault: Some(Self::fault),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `file` is being opened by misc_open() on a [`Registration<T>`].
    unsafe extern "C" fn open(
        _inode: *mut kernel_bindings::inode,
        file: *mut kernel_bindings::file,
    ) -> c_int {
        // SAFETY: misc_open() left the address of the registered device in the file; it cannot be
        // deregistered before open() is over.
        let device = unsafe { (*file).private_data }.cast::<kernel_bindings::miscdevice>();
        // SAFETY: The device lies in a `Registration<T>`, by the caller's word.
        let registration =
            unsafe { &*kernel::container_of!(Opaque::cast_from(device), Registration<T>, inner) };
        let private = registration.object.clone().into_foreign();
        // SAFETY: The file is not in use before open() is over.
        unsafe { (*file).private_data = private };
        0
    }

    /// # Safety
    ///
    /// `file` has these operations, and goes.
    unsafe extern "C" fn release(
        _inode: *mut kernel_bindings::inode,
        file: *mut kernel_bindings::file,
    ) -> c_int {
        // SAFETY: The private data is the reference that opening put there; nobody uses it again.
        drop(unsafe { Arc::<T>::from_foreign((*file).private_data) });
        0
    }

    /// # Safety
    ///
    /// `file` has these operations, and is open.
    unsafe extern "C" fn ioctl(
        file: *mut kernel_bindings::file,
        command: c_uint,
        argument: c_ulong,
    ) -> c_long {
        // SAFETY: The private data stays as it is while the file is open.
        let object = unsafe { Arc::<T>::borrow((*file).private_data) };
        from_result(|| T::ioctl(object, command, argument))
    }

    /// # Safety
    ///
    /// `file` has these operations and is open; `vma` is being set up.
    unsafe extern "C" fn mmap(
        file: *mut kernel_bindings::file,
        vma: *mut kernel_bindings::vm_area_struct,
    ) -> c_int {
        // SAFETY: As in `ioctl`.
        let object = unsafe { Arc::<T>::borrow((*file).private_data) };
        // SAFETY: The area is being set up, by the caller's word.
        let area = unsafe { VmaNew::from_raw(vma) };
        from_result(|| {
            if area.flags() & kernel::mm::virt::flags::SHARED == 0 {
                return Err(EINVAL);
            }
            // SAFETY: The area is not in use yet.
            let first = unsafe { (*vma).__bindgen_anon_1.__bindgen_anon_1.vm_start };
            // SAFETY: As above.
            let offset = unsafe { (*vma).vm_pgoff };
            let pages = (area.end() - first) / kernel_bindings::PAGE_SIZE;
            object.check_mmap(offset, pages)?;
            area.set_dontexpand();
            area.set_dontdump();
            // SAFETY: The area is not in use yet; the operations are static.
            unsafe { (*vma).vm_ops = &Self::MAPPING };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `file` has these operations and is open; `text` is the caller's alone.
    unsafe extern "C" fn show_fdinfo(
        text: *mut kernel_bindings::seq_file,
        file: *mut kernel_bindings::file,
    ) {
        // SAFETY: As in `ioctl`.
        let object = unsafe { Arc::<T>::borrow((*file).private_data) };
        // SAFETY: It is the caller's alone.
        let text = unsafe { SeqFile::from_raw(text) };
        object.show(text);
    }

    /// # Safety
    ///
    /// `fault` is a page fault in an area that [`Self::mmap`] set up.
    unsafe extern "C" fn fault(
        fault: *mut kernel_bindings::vm_fault,
    ) -> kernel_bindings::vm_fault_t {
        // SAFETY: The kernel describes the fault in memory of its own.
        let (vma, offset) = unsafe {
            let fault = &(*fault).__bindgen_anon_1;
            (fault.vma, fault.pgoff)
        };
        // SAFETY: The area holds a reference to its file, whose private data stays as it is.
        let object = unsafe { Arc::<T>::borrow((*(*vma).vm_file).private_data) };
        match object.fault(offset) {
            Ok(page) => {
                // SAFETY: The result of a fault is written by its handler alone; the kernel takes
                // over the reference to the page.
                unsafe { (*fault).page = page.into_raw() };
                0
            }
            Err(_) => kernel_bindings::vm_fault_reason_VM_FAULT_SIGBUS,
        }
    }
}
