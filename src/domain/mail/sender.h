/* The sender of mails: makes the message, and hands it to the mail server or puts it in a folder.
 */
#ifndef DOMAIN_MAIL_SENDER_H
#define DOMAIN_MAIL_SENDER_H

#include "domain/mail/mail.h"

extern const struct outbox_sender mail_sender;

#endif
