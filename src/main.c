#include <stdio.h>

int main(void)
{
    puts("holdfast " HF_VERSION);
    return 0;
}
