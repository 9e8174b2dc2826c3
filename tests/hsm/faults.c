/* A PKCS#11 module between the program and a real one, that fails when told to: each line of the file named by
 * $ARCHILAND_HSM_FAULT is a fault, looked at before every call.
 *
 *   stall     C_Sign sleeps for two minutes
 *   session   C_Sign says that the session is gone (0xB3), once: the file is emptied
 *   removed   no slot has a token, and calls say so (0x32)
 *   locked    C_Login says that the PIN is locked (0xA4)
 *   count     appends a byte to $ARCHILAND_HSM_FAULT.logins for each C_Login
 *
 * The real module is $ARCHILAND_HSM_MODULE. Only the version 2.40 function list is offered. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long CK_ULONG;
typedef CK_ULONG CK_RV;
struct list {
    unsigned char version[2];
    void *call[68];
};
enum { GET_SLOT_LIST = 4, GET_SESSION_INFO = 15, LOGIN = 18, SIGN = 43 };

static struct list ours, *real;

static int told(const char *fault) {
    const char *path = getenv("ARCHILAND_HSM_FAULT");
    char line[64];
    int found = 0;
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        found |= strcmp(line, fault) == 0;
    }
    fclose(file);
    return found;
}

static void clear(void) {
    FILE *file = fopen(getenv("ARCHILAND_HSM_FAULT"), "w");
    if (file)
        fclose(file);
}

static CK_RV get_slot_list(unsigned char present, CK_ULONG *slots, CK_ULONG *count) {
    if (told("removed")) {
        *count = 0;
        return 0;
    }
    return ((CK_RV (*)(unsigned char, CK_ULONG *, CK_ULONG *))real->call[GET_SLOT_LIST])(present, slots, count);
}

static CK_RV get_session_info(CK_ULONG session, void *info) {
    if (told("removed"))
        return 0x32;
    return ((CK_RV (*)(CK_ULONG, void *))real->call[GET_SESSION_INFO])(session, info);
}

static CK_RV login(CK_ULONG session, CK_ULONG user, unsigned char *pin, CK_ULONG length) {
    char path[4096];
    FILE *file;
    snprintf(path, sizeof path, "%s.logins", getenv("ARCHILAND_HSM_FAULT"));
    if ((file = fopen(path, "a"))) {
        fputc('x', file);
        fclose(file);
    }
    if (told("locked"))
        return 0xA4;
    return ((CK_RV (*)(CK_ULONG, CK_ULONG, unsigned char *, CK_ULONG))real->call[LOGIN])(session, user, pin, length);
}

static CK_RV sign(CK_ULONG session, unsigned char *data, CK_ULONG length, unsigned char *out, CK_ULONG *written) {
    CK_RV rv = ((CK_RV (*)(CK_ULONG, unsigned char *, CK_ULONG, unsigned char *, CK_ULONG *))real->call[SIGN])(
        session, data, length, out, written);
    if (!out)
        return rv;
    if (told("stall"))
        sleep(120);
    if (told("removed"))
        return 0x32;
    if (told("session")) {
        clear();
        return 0xB3;
    }
    return rv;
}

CK_RV C_GetFunctionList(struct list **out) {
    if (!real) {
        void *module = dlopen(getenv("ARCHILAND_HSM_MODULE"), RTLD_NOW | RTLD_LOCAL);
        CK_RV (*get)(struct list **) = module ? (CK_RV (*)(struct list **))dlsym(module, "C_GetFunctionList") : NULL;
        if (!get || get(&real))
            return 5;
        ours = *real;
        ours.call[GET_SLOT_LIST] = (void *)get_slot_list;
        ours.call[GET_SESSION_INFO] = (void *)get_session_info;
        ours.call[LOGIN] = (void *)login;
        ours.call[SIGN] = (void *)sign;
    }
    *out = &ours;
    return 0;
}
