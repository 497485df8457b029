"""Layer 2: places that keep files, one file per way of reaching them; what they share is ``store``.

store     what every place can do, and how it is reached
opened    the store of a place of a storage plan
faults    what went wrong, in words: refused (somebody repairs it) or broken (try again soon)
objects   S3, Google Cloud Storage, Azure Blob Storage (obstore)
drives    Google Drive, Dropbox, OneDrive (OpenDAL)
dav       WebDAV (the guarded HTTP client)
web       a web server that takes PUT or POST, plain, multipart or Base64 (the same)
ftp       FTP and FTPS (the standard library)
sftp      SFTP (asyncssh)
trial     write, read back, compare, delete: ``callflow storage test``
"""
